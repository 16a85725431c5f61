// The user's own generated tables as parameters and results.

#include <string>
#include <utility>
#include <vector>

#include <selvage/flatbuffers.hpp>

#include "codec_support.hpp"
#include "tests/unit/codec_interop_generated.h"

namespace selvage::test {
namespace {

using detail::arguments_codec;
using detail::result_codec;
using interop::Line;
using line_table = selvage::table<Line>;

line_table make_line(const std::string& name, std::size_t points) {
  flatbuffers::FlatBufferBuilder builder;
  const std::vector<interop::Point> all(points, interop::Point(1, 2));
  builder.Finish(interop::CreateLineDirect(builder, name.c_str(), &all));
  return line_table(builder.Release());
}

TEST(codec_table, a_task_reads_the_callers_table_in_place) {
  for (const std::size_t points : {0u, 1u, 1000u}) {
    const line_table line = make_line("name", points);
    using codec = arguments_codec<const Line&, const Line*, line_table, int>;
    const encoded bytes = encode_arguments<const Line&, const Line*, line_table, int>(line, line, line, 3);
    codec::invoke(bytes.view(), [&](const Line& by_reference, const Line* by_pointer, line_table by_value, int) {
      EXPECT_EQ(by_reference.name()->str(), "name");
      EXPECT_EQ(by_pointer->points()->size(), points);
      EXPECT_EQ(by_value->points()->size(), points);
      const auto* const at = reinterpret_cast<const std::byte*>(&by_reference);
      EXPECT_TRUE(at >= bytes.bytes.data() && at < bytes.bytes.data() + bytes.bytes.size());
      if (points != 0) {
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(by_reference.points()->Data()) % alignof(double), 0u);
      }
    });
  }
}

TEST(codec_table, a_result_is_verified_and_owned_by_the_host) {
  const line_table line = make_line("result", 3);
  const line_table back = round_trip_result<line_table>(line);
  EXPECT_EQ(back->name()->str(), "result");
  EXPECT_EQ(back->points()->size(), 3u);
  EXPECT_NE(back.bytes().data(), line.bytes().data());
}

TEST(codec_table, tables_are_members_like_any_other) {
  const std::vector<std::pair<std::string, line_table>> lines{{"a", make_line("1", 1)}, {"b", make_line("2", 2)}};
  const auto back = round_trip_result<std::vector<std::pair<std::string, line_table>>>(lines);
  ASSERT_EQ(back.size(), 2u);
  EXPECT_EQ(back[1].second->name()->str(), "2");
  EXPECT_FALSE(round_trip_result<std::optional<line_table>>(std::nullopt).has_value());
}

TEST(codec_table, forged_bytes_are_refused) {
  const encoded whole = encode_result<line_table>(make_line("result", 3));
  std::size_t refused = 0;
  for (std::size_t at = 0; at < whole.bytes.size(); ++at) {
    for (const unsigned change : {1u, 0x10u, 0x80u, 0xffu}) {
      encoded changed = whole;
      changed.bytes[at] ^= static_cast<std::byte>(change);
      const auto read = result_codec<line_table>::read(changed.view());
      if (!read) {
        ++refused;
      } else if ((*read)->name() != nullptr) {
        EXPECT_LE((*read)->name()->str().size(), whole.bytes.size());
      }
    }
  }
  EXPECT_GT(refused, 20u);
}

TEST(codec_table, bytes_that_are_no_table_are_refused_in_words) {
  const std::vector<std::byte> noise(64, std::byte{0x77});
  EXPECT_FALSE(line_table::from_bytes(noise));
  EXPECT_FALSE(line_table::from_bytes({}));
  const line_table line = make_line("x", 1);
  EXPECT_TRUE(line_table::from_bytes(line.bytes()));
}

TEST(codec_table, a_copy_of_a_view_owns_its_bytes) {
  std::vector<std::byte> bytes;
  {
    const line_table line = make_line("owned", 1);
    bytes.assign(line.bytes().begin(), line.bytes().end());
  }
  const line_table view = line_table::view(bytes);
  const line_table copy = view;
  line_table assigned = make_line("other", 2);
  assigned = view;
  bytes.assign(bytes.size(), std::byte{0});
  EXPECT_EQ(copy->name()->str(), "owned");
  EXPECT_EQ(assigned->name()->str(), "owned");
}

TEST(codec_table, a_table_that_was_moved_from_is_refused_by_the_sender) {
  line_table line = make_line("moved", 1);
  const line_table taken = std::move(line);
  EXPECT_EQ(taken->name()->str(), "moved");
  EXPECT_THROW(encode_result<line_table>(line), std::invalid_argument);  // NOLINT(bugprone-use-after-move)
}

}  // namespace
}  // namespace selvage::test

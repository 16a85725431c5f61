// The wire really is FlatBuffers: what the codec writes, flatc's generated code verifies and reads, and the other
// way round.

#include <cmath>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <flatbuffers/flatbuffers.h>

#include "codec_support.hpp"
#include "tests/unit/codec_interop_generated.h"

namespace selvage::test {
namespace {

struct point {
  double x;
  double y;
  bool operator==(const point&) const = default;
};

struct gapped {
  std::int8_t letter;
  int number;
  bool truth;
  point where;
};

struct line {
  std::string name;
  std::vector<point> points;
  bool operator==(const line&) const = default;
};

template <class T>
bool verify(const std::vector<std::byte>& bytes) {
  flatbuffers::Verifier verifier(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  return verifier.VerifyBuffer<T>(nullptr);
}

TEST(codec_interop, generated_code_reads_what_the_codec_writes) {
  using choice = std::variant<int, std::string>;
  using entries = std::map<std::string, int>;
  const encoded bytes = encode_arguments<int, std::string_view, std::span<const std::byte>, gapped, std::vector<line>,
                                         std::optional<double>, std::optional<double>, choice, entries,
                                         std::vector<std::string>, std::vector<std::optional<int>>>(
      7, "text", std::vector<std::byte>{std::byte{1}, std::byte{2}}, gapped{'c', 3, true, {4, 5}},
      std::vector<line>{{"one", {{1, 2}, {3, 4}}}, {"", {}}}, std::optional<double>(-0.0), std::optional<double>(),
      choice("chosen"), entries{{"a", 1}, {"b", 0}}, std::vector<std::string>{"x", "y"},
      std::vector<std::optional<int>>{5, std::nullopt});
  ASSERT_TRUE(verify<interop::Arguments>(bytes.bytes));
  const auto* const read = flatbuffers::GetRoot<interop::Arguments>(bytes.bytes.data());
  EXPECT_EQ(read->number(), 7);
  EXPECT_EQ(read->text()->str(), "text");
  ASSERT_EQ(read->bytes()->size(), 2u);
  EXPECT_EQ(read->bytes()->Get(1), 2);
  EXPECT_EQ(read->gapped()->letter(), 'c');
  EXPECT_EQ(read->gapped()->number(), 3);
  EXPECT_TRUE(read->gapped()->truth());
  EXPECT_EQ(read->gapped()->where().y(), 5);
  ASSERT_EQ(read->lines()->size(), 2u);
  EXPECT_EQ(read->lines()->Get(0)->name()->str(), "one");
  EXPECT_EQ(read->lines()->Get(0)->points()->Get(1)->x(), 3);
  EXPECT_EQ(read->lines()->Get(1)->points()->size(), 0u);
  ASSERT_TRUE(read->maybe().has_value());
  EXPECT_TRUE(std::signbit(*read->maybe()));
  EXPECT_FALSE(read->absent().has_value());
  EXPECT_EQ(read->choice()->index(), 1);
  EXPECT_EQ(read->choice()->text()->str(), "chosen");
  ASSERT_EQ(read->entries()->size(), 2u);
  EXPECT_EQ(read->entries()->Get(0)->key()->str(), "a");
  EXPECT_EQ(read->entries()->Get(0)->value(), 1);
  EXPECT_EQ(read->texts()->Get(1)->str(), "y");
  EXPECT_EQ(read->sparse()->Get(0)->value(), 5);
}

TEST(codec_interop, the_codec_reads_what_generated_code_writes) {
  flatbuffers::FlatBufferBuilder builder;
  builder.ForceDefaults(true);
  const std::vector<interop::Point> points{{1, 2}, {3, 4}};
  const auto name = builder.CreateString("one");
  const auto where = builder.CreateVectorOfStructs(points);
  builder.Finish(interop::CreateResult(builder, interop::CreateLine(builder, name, where)));
  const auto* const begin = reinterpret_cast<const std::byte*>(builder.GetBufferPointer());
  const std::vector<std::byte> bytes(begin, begin + builder.GetSize());
  const auto read = detail::result_codec<line>::read({detail::payload_form::table, bytes});
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(*read, (line{"one", {{1, 2}, {3, 4}}}));
}

}  // namespace
}  // namespace selvage::test

// Exceptions on their way to the host.

#include <random>
#include <string>
#include <vector>

#include "codec_support.hpp"
#include "schema/exception_report.hpp"

namespace selvage::test {
namespace {

using schema::exception_report;

std::vector<std::byte> encode_in(const exception_report& report, std::size_t size) {
  guarded_place place(size);
  const detail::extent filled = schema::encode(report, place.span());
  EXPECT_TRUE(place.intact());
  EXPECT_EQ(filled.offset % detail::payload_alignment, 0u);
  const auto bytes = place.span().subspan(filled.offset, filled.length);
  return {bytes.begin(), bytes.end()};
}

TEST(exception_report, type_message_and_causes_survive) {
  const exception_report report{"std::runtime_error", std::string("what\0\xff", 6), {"a: b", "", "c: d"}, 24};
  const auto read = schema::decode(encode_in(report, schema::bound(report)));
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(*read, report);
  const auto empty = schema::decode(encode_in({}, schema::min_report_bytes));
  ASSERT_TRUE(empty);
  EXPECT_EQ(*empty, exception_report{});
}

TEST(exception_report, is_cut_to_the_room_there_is) {
  const exception_report report{"type", std::string(1000, 'w'), {std::string(100, 'a'), std::string(100, 'b')}};
  for (std::size_t size = schema::min_report_bytes; size < 1600; size += 13) {
    const auto read = schema::decode(encode_in(report, size));
    ASSERT_TRUE(read) << read.error();
    EXPECT_EQ(read->type, "type");
    EXPECT_EQ(read->what, report.what.substr(0, read->what.size()));
    EXPECT_GT(read->what.size(), size / 4 - 60);
    EXPECT_EQ(read->causes.size() == 2, size >= schema::bound(report)) << size;
  }
  const exception_report long_type{std::string(5000, 't'), "what", {}};
  const auto read = schema::decode(encode_in(long_type, schema::min_report_bytes));
  ASSERT_TRUE(read);
  EXPECT_GT(read->type.size(), 100u);
}

TEST(exception_report, keeps_the_first_32_causes) {
  exception_report report{"t", "w", std::vector<std::string>(40, "cause")};
  const auto read = schema::decode(encode_in(report, 10'000));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->causes.size(), 32u);
}

TEST(exception_report, forged_bytes_are_refused_or_read) {
  const exception_report report{"type", "what", {"one", "two"}};
  const std::vector<std::byte> whole = encode_in(report, schema::bound(report));
  std::size_t refused = 0;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (unsigned change = 1; change < 256; ++change) {
      auto changed = whole;
      changed[at] ^= static_cast<std::byte>(change);
      refused += schema::decode(changed) ? 0u : 1u;
    }
  }
  EXPECT_GT(refused, 1000u);
  EXPECT_FALSE(schema::decode({}));
  EXPECT_FALSE(schema::decode(std::vector<std::byte>(64)));
}

}  // namespace
}  // namespace selvage::test

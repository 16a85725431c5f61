// Names of addresses that a worker has written.

#include "pool/symbols.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <array>

namespace selvage::host {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

const auto known = reinterpret_cast<std::uint64_t>(&::getppid);  // of a library, whose symbols can be looked up

TEST(symbols, are_found_and_found_again) {
  symbol_names symbols;
  const std::array<std::uint64_t, 3> frames{known, known + 1, 16};
  for (int round = 0; round < 3; ++round) {
    EXPECT_THAT(symbols.of(frames, 0),
                ElementsAre(StartsWith("getppid + 0x0 ("), StartsWith("getppid + 0x1 ("), "0x10"));
  }
}

TEST(symbols, of_a_return_address_are_of_the_call_before_it) {
  symbol_names symbols;
  EXPECT_THAT(symbols.of(std::array{std::uint64_t{16}, known}, 0).at(1), ::testing::Not(HasSubstr("getppid +")));
}

TEST(symbols, of_more_addresses_than_are_remembered_are_right_all_the_same) {
  symbol_names symbols;
  for (std::uint64_t address = 1; address < 5000; ++address) {
    ASSERT_EQ(symbols.of(std::array{address}, 0).front(), fmt::format("{:#x}", address));
    ASSERT_THAT(symbols.of(std::array{known}, 0).front(), StartsWith("getppid + 0x0 ("));
  }
}

}  // namespace
}  // namespace selvage::host

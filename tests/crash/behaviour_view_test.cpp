// Trusted views leave room for every result that may come, wherever in the arena they are.

#include <gtest/gtest.h>

#include "tests/support/pool_fixture.hpp"

namespace selvage::test {
namespace {

class views : public pool_survives {};

const auto make = task("make", [](std::uint64_t size) { return std::string(size, 'x'); });

TEST_F(views, a_view_leaves_room_for_the_largest_result) {
  constexpr std::uint64_t cap = 1U << 20U;
  for (const std::uint64_t arena : {cap, 2 * cap, 4 * cap}) {
    pool pool(watched({.workers = 1, .arena = {.initial = 4_KiB, .maximum = {arena}}, .payload_cap = {cap}}), make);
    std::vector<trusted_view> kept;
    for (const std::uint64_t size : {cap / 4, std::uint64_t{100}, cap / 2, std::uint64_t{5000}, cap / 4, cap}) {
      kept.push_back(pool.call_trusted(make, size).get());
      EXPECT_EQ(pool.call(make, cap).get().size(), cap);
    }
    for (const trusted_view& view : kept) EXPECT_EQ(view.text(), std::string(view.bytes().size(), 'x'));
  }
}

// Each view in the middle of what is free would halve the largest gap.
TEST_F(views, many_small_views_leave_room_for_the_largest_result) {
  constexpr std::uint64_t cap = 512U << 10U;
  pool pool(watched({.workers = 1, .arena = {.initial = 4_KiB, .maximum = 1_MiB}, .payload_cap = {cap}}), make);
  std::vector<trusted_view> kept;
  for (int i = 0; i < 60; ++i) {
    auto between = pool.call(make, 30'000);
    kept.push_back(pool.call_trusted(make, 200).get());
    between.get();
    if (i % 10 == 9) {
      EXPECT_EQ(pool.call(make, cap).get().size(), cap);
    }
  }
  for (const trusted_view& view : kept) EXPECT_EQ(view.text(), std::string(200, 'x'));
}

}  // namespace
}  // namespace selvage::test

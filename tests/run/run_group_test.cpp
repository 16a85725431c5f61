// Groups of a run: a full one holds back nobody else, none starves, and none has more active than it may.

#include <gmock/gmock.h>

#include <atomic>

#include "tests/support/lane_memory.hpp"
#include "tests/support/pool_fixture.hpp"

namespace selvage::test {
namespace {

class run_groups : public pool_survives {};

using counters = tests::shared_array<std::atomic<std::uint64_t>>;
using item = std::tuple<std::string, int>;

std::string group_of(const item& of) { return std::get<0>(of); }

TEST_F(run_groups, have_no_more_active_than_they_may) {
  const counters now(3);  // a, b: active; most of a
  const auto busy = task("busy", [&now](std::string_view group, int) {
    const std::uint64_t active = ++now[group == "a" ? 0 : 1];
    if (group == "a") {
      std::uint64_t most = now[2];
      while (most < active && !now[2].compare_exchange_weak(most, active)) {
      }
    }
    ::usleep(2000);
    --now[group == "a" ? 0 : 1];
  });
  pool pool(watched({.workers = 4}), busy);
  std::vector<item> items;
  for (int i = 0; i < 60; ++i) items.emplace_back(i % 3 == 0 ? "b" : "a", i);
  EXPECT_TRUE(run(pool, busy, items, {.parallel = 4, .group = group_of, .group_limit = 2}).ok());
  EXPECT_LE(now[2], 2U);
  now[2] = 0;
  EXPECT_TRUE(run(pool, busy, items,
                  {.parallel = 4,
                   .group = group_of,
                   .group_limit = [](std::string_view name) { return name == "a" ? 1U : 0U; }})
                  .ok());
  EXPECT_EQ(now[2], 1U);
}

// One group has nine of ten items, each fifty times as long: the others are not behind it.
TEST_F(run_groups, that_are_full_hold_back_nobody) {
  const auto work = task("work", [](std::string_view group, int n) {
    ::usleep(group == "long" ? 20'000 : 100);
    return n;
  });
  pool pool(watched({.workers = 2}), work);
  std::vector<item> items;
  for (int i = 0; i < 50; ++i) items.emplace_back("long", i);
  for (int i = 0; i < 50; ++i) items.emplace_back("short " + std::to_string(i % 5), i);
  std::vector<std::string> told;
  EXPECT_TRUE(run(pool, work, items,
                  {.parallel = 2,
                   .group = group_of,
                   .group_limit = 1,
                   .emit = [&](auto&& outcome) { told.push_back(std::get<0>(*outcome.item)); },
                   .in_order = false,
                   .source_buffer = 200})
                  .ok());
  const auto last_short = std::find_if(told.rbegin(), told.rend(), [](const auto& name) { return name != "long"; });
  const auto before = std::count(told.begin(), last_short.base(), "long");
  EXPECT_LT(before, 25) << "short items waited for long ones";
}

TEST_F(run_groups, never_starve) {
  const auto work = task("work", [](std::string_view, int n) {
    ::usleep(500);
    return n;
  });
  pool pool(watched({.workers = 2}), work);
  std::vector<item> items;
  // A crowd comes first, and one of each of the others only behind it.
  for (int i = 0; i < 150; ++i) items.emplace_back("crowd", i);
  for (int i = 0; i < 20; ++i) items.emplace_back("single " + std::to_string(i), i);
  std::vector<std::string> told;
  EXPECT_TRUE(run(pool, work, items,
                  {.parallel = 2,
                   .group = group_of,
                   .emit = [&](auto&& outcome) { told.push_back(std::get<0>(*outcome.item)); },
                   .in_order = false,
                   .source_buffer = 200})
                  .ok());
  const auto last_single = std::find_if(told.rbegin(), told.rend(), [](const auto& name) { return name != "crowd"; });
  EXPECT_LT(std::distance(last_single, told.rend()), 60) << "each group has its turn";
}

}  // namespace
}  // namespace selvage::test

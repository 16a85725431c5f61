// Which lane gets the next call: every rule over lanes that are only figures. What a rule does to calls in a real pool
// is in tests/crash/behaviour_balance_test.cpp.

#include "pool/balancer.hpp"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace selvage::host {
namespace {

constexpr depth_rule two_deep{.maximum = 2, .window_ns = 100'000};

lane_load lane(unsigned in_flight, std::uint64_t load_ns = 0) {
  return {.usable = true, .in_flight = in_flight, .load_ns = load_ns};
}
lane_load unusable() { return {}; }

std::vector<int> chosen(balancer& rule, const std::vector<lane_load>& lanes, int times) {
  std::vector<int> all;
  for (int i = 0; i < times; ++i) {
    const auto pick = rule.choose(lanes);
    all.push_back(pick ? static_cast<int>(*pick) : -1);
  }
  return all;
}

TEST(balancer, no_lane_at_all_is_no_choice) {
  for (const balance rule :
       {balance::first_idle, balance::round_robin, balance::random, balance::first_idle_or_random}) {
    balancer it(rule, two_deep, 1);
    EXPECT_EQ(it.choose({}), std::nullopt);
    EXPECT_EQ(it.choose(std::vector{unusable(), unusable()}), std::nullopt);
    EXPECT_EQ(it.choose(std::vector{lane(2), lane(2)}), std::nullopt);
  }
}

TEST(balancer, no_rule_chooses_a_lane_that_cannot_be_used) {
  for (const balance rule :
       {balance::first_idle, balance::round_robin, balance::random, balance::first_idle_or_random}) {
    balancer it(rule, two_deep, 7);
    EXPECT_EQ(chosen(it, {unusable(), lane(1), lane(2)}, 20), std::vector<int>(20, 1));
  }
}

TEST(balancer, first_idle_keeps_to_the_first_idle_lane) {
  balancer it(balance::first_idle, two_deep, 1);
  EXPECT_EQ(chosen(it, {lane(0), lane(0), lane(0)}, 3), (std::vector{0, 0, 0}));
  EXPECT_EQ(chosen(it, {lane(1), lane(0), lane(0)}, 3), (std::vector{1, 1, 1}));
}

TEST(balancer, first_idle_wakes_nobody_for_less_than_a_wake_up) {
  const auto asleep = [] {
    lane_load it = lane(0);
    it.asleep = true;
    return it;
  };
  constexpr depth_rule deep{.maximum = 64, .window_ns = 100'000};
  balancer it(balance::first_idle, deep, 1);
  EXPECT_EQ(it.choose(std::vector{asleep(), lane(0)}), 1U) << "one that is awake";
  EXPECT_EQ(it.choose(std::vector{asleep(), asleep()}), 0U);
  EXPECT_EQ(it.choose(std::vector{asleep(), lane(10, 2'000), lane(3, 1'000)}), 2U) << "the least work";
  EXPECT_EQ(it.choose(std::vector{asleep(), lane(1, balancer::wake_up_ns)}), 0U) << "as long as the waking takes";
  EXPECT_EQ(it.choose(std::vector{asleep(), lane(64, 6'400)}), 0U) << "there is no room";
  EXPECT_EQ(it.choose(std::vector{asleep(), lane(1, 1'000), lane(0)}), 2U) << "one that is awake and idle";
}

TEST(balancer, first_idle_takes_the_least_work_where_none_is_idle) {
  balancer it(balance::first_idle, two_deep, 1);
  EXPECT_EQ(it.choose(std::vector{lane(1, 900), lane(1, 300), lane(1, 500)}), 1U);
  EXPECT_EQ(it.choose(std::vector{lane(1, 900), lane(2, 1), lane(1, 500)}), 2U);  // the least loaded is full
}

TEST(balancer, what_is_costly_to_keep_goes_where_other_calls_would_not) {
  balancer it(balance::first_idle, {.maximum = 64, .window_ns = 100'000}, 1);
  std::vector lanes{lane(4, 900'000), lane(4, 800'000)};
  EXPECT_EQ(it.choose(lanes), std::nullopt);
  for (lane_load& each : lanes) each.costly = true;
  EXPECT_EQ(it.choose(lanes), 1U);
}

TEST(balancer, round_robin_goes_in_turn_and_passes_over_what_is_full) {
  balancer it(balance::round_robin, two_deep, 1);
  EXPECT_EQ(chosen(it, {lane(0), lane(0), lane(0)}, 7), (std::vector{0, 1, 2, 0, 1, 2, 0}));
  EXPECT_EQ(chosen(it, {lane(0), lane(2), lane(0)}, 4), (std::vector{2, 0, 2, 0}));
}

TEST(balancer, round_robin_does_not_care_who_is_idle) {
  balancer it(balance::round_robin, two_deep, 1);
  EXPECT_EQ(chosen(it, {lane(1), lane(0)}, 4), (std::vector{0, 1, 0, 1}));
}

TEST(balancer, random_reaches_every_lane_with_room_about_as_often) {
  balancer it(balance::random, two_deep, 42);
  std::array<int, 4> counts{};
  for (const int pick : chosen(it, {lane(0), lane(1), lane(2), lane(0)}, 30'000))
    ++counts.at(static_cast<std::size_t>(pick));
  EXPECT_EQ(counts[2], 0);
  for (const std::size_t i : {0U, 1U, 3U}) {
    EXPECT_GT(counts[i], 9'000);
    EXPECT_LT(counts[i], 11'000);
  }
}

TEST(balancer, random_depends_on_its_seed) {
  balancer a(balance::random, two_deep, 2);
  balancer b(balance::random, two_deep, 4);
  const std::vector<lane_load> lanes(64, lane(0));
  EXPECT_NE(chosen(a, lanes, 20), chosen(b, lanes, 20));
}

TEST(balancer, first_idle_or_random_prefers_the_first_idle_and_then_any) {
  balancer it(balance::first_idle_or_random, two_deep, 3);
  EXPECT_EQ(chosen(it, {lane(1), lane(0), lane(0)}, 5), std::vector<int>(5, 1));
  std::array<int, 2> counts{};
  for (const int pick : chosen(it, {lane(1), lane(1)}, 1000)) ++counts.at(static_cast<std::size_t>(pick));
  EXPECT_GT(counts[0], 400);
  EXPECT_GT(counts[1], 400);
}

}  // namespace
}  // namespace selvage::host

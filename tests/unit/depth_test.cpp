// How long a task is expected to run, and how many calls are posted ahead for that.

#include "pool/depth.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace selvage::host {
namespace {

constexpr std::uint16_t first = 0;
constexpr std::uint16_t second = 1;

// ---- estimates

TEST(estimates, a_task_that_never_ran_is_expected_to_be_short) {
  const service_estimates it(1);
  const depth_rule rule{.maximum = 64, .window_ns = 100'000};
  const std::uint64_t each = it.of(first);
  EXPECT_TRUE(rule.takes(2, 2 * each));
  EXPECT_FALSE(rule.takes(3, 3 * each));
}

TEST(estimates, a_shorter_run_is_believed_at_once) {
  service_estimates it(1);
  it.learn(first, 1'000);
  EXPECT_EQ(it.of(first), 1'000U);
}

TEST(estimates, longer_runs_are_believed_within_a_few) {
  service_estimates it(1);
  for (int i = 0; i < 10; ++i) it.learn(first, 10'000'000);
  EXPECT_GT(it.of(first), 5'000'000U);
  EXPECT_LE(it.of(first), 11'000'000U);
}

TEST(estimates, a_second_long_run_in_a_row_is_believed) {
  service_estimates it(1);
  it.learn(first, 1'000);
  it.learn(first, 10'000'000);
  EXPECT_EQ(it.of(first), 2'000U);
  it.learn(first, 10'000'000);
  EXPECT_EQ(it.of(first), 10'000'000U);
}

TEST(estimates, one_run_that_was_interrupted_does_not_throw_the_estimate) {
  service_estimates it(1);
  it.learn(first, 1'000);
  it.learn(first, 50'000'000);
  EXPECT_LE(it.of(first), 2'000U);
}

TEST(estimates, settle_on_what_a_task_really_takes) {
  service_estimates it(1);
  for (int i = 0; i < 200; ++i) it.learn(first, 3'000 + 100 * (i % 3));
  EXPECT_GT(it.of(first), 2'900U);
  EXPECT_LT(it.of(first), 3'400U);
}

TEST(estimates, of_one_task_do_not_touch_another) {
  service_estimates it(2);
  it.learn(first, 500);
  EXPECT_EQ(it.of(second), service_estimates(1).of(first));
}

// A worker's word: it must neither become 0 (then depth is unbounded) nor overflow sums over a lane.
TEST(estimates, a_lie_is_kept_within_bounds) {
  service_estimates it(1);
  it.learn(first, 0);
  EXPECT_GE(it.of(first), 1U);
  for (int i = 0; i < 200; ++i) it.learn(first, std::numeric_limits<std::uint64_t>::max());
  EXPECT_LT(it.of(first), std::numeric_limits<std::uint64_t>::max() / 128);
}

TEST(estimates, honest_runs_mend_a_lie) {
  service_estimates it(1);
  for (int i = 0; i < 100; ++i) it.learn(first, std::numeric_limits<std::uint64_t>::max());
  it.learn(first, 1'000);
  EXPECT_EQ(it.of(first), 1'000U);
}

// ---- depth

TEST(depth, an_idle_worker_takes_a_call_whatever_it_may_cost) {
  EXPECT_TRUE((depth_rule{.maximum = 1, .window_ns = 0}.takes(0, 0)));
  EXPECT_TRUE((depth_rule{.maximum = 64, .window_ns = 100'000}.takes(0, std::numeric_limits<std::uint64_t>::max())));
}

TEST(depth, maximum_one_never_posts_behind_a_call) {
  constexpr depth_rule one{.maximum = 1, .window_ns = 1'000'000'000};
  EXPECT_FALSE(one.takes(1, 0));
}

TEST(depth, tiny_calls_are_posted_up_to_the_maximum) {
  constexpr depth_rule rule{.maximum = 64, .window_ns = 100'000};
  EXPECT_TRUE(rule.takes(63, 63 * 100));
  EXPECT_FALSE(rule.takes(64, 64 * 100));
}

TEST(depth, the_window_bounds_the_work_ahead) {
  constexpr depth_rule rule{.maximum = 64, .window_ns = 100'000};
  EXPECT_TRUE(rule.takes(5, 99'999));
  EXPECT_FALSE(rule.takes(5, 100'000));
}

TEST(depth, one_call_is_posted_ahead_of_a_run_of_milliseconds_and_none_behind_a_long_one) {
  constexpr depth_rule rule{.maximum = 64, .window_ns = 100'000};
  EXPECT_TRUE(rule.takes(1, 4'000'000));
  EXPECT_FALSE(rule.takes(2, 8'000'000));
  EXPECT_FALSE(rule.takes(1, depth_rule::hide_gap_below_ns));
}

TEST(depth, what_is_costly_to_keep_is_posted_ahead_for_milliseconds) {
  constexpr depth_rule rule{.maximum = 64, .window_ns = 100'000};
  EXPECT_TRUE(rule.takes(40, 4'900'000, true));
  EXPECT_FALSE(rule.takes(40, 5'000'000, true));
  EXPECT_FALSE(rule.takes(64, 0, true));
  constexpr depth_rule one{.maximum = 1, .window_ns = 100'000};
  EXPECT_FALSE(one.takes(1, 0, true));
}

}  // namespace
}  // namespace selvage::host

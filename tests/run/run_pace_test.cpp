// When items are started, and how long they may take by what others took.

#include <gmock/gmock.h>
#include <unistd.h>

#include "run/pace.hpp"
#include "tests/support/pool_fixture.hpp"

namespace selvage::test {
namespace {

using run_detail::running_median;
using ::testing::HasSubstr;

class paced_runs : public pool_survives {};

std::vector<int> up_to(int most) {
  std::vector<int> all;
  for (int i = 0; i < most; ++i) all.push_back(i);
  return all;
}

TEST(running_median, is_known_from_the_third_on) {
  running_median median;
  median.add(1ms);
  median.add(1ms);
  EXPECT_FALSE(median.value());
  median.add(1ms);
  EXPECT_TRUE(median.value());
}

TEST(running_median, is_within_a_tenth) {
  for (const auto middle :
       {std::chrono::nanoseconds(9), std::chrono::nanoseconds(100), std::chrono::nanoseconds(777'777),
        std::chrono::nanoseconds(1s), std::chrono::nanoseconds(240h)}) {
    running_median median;
    for (int i = 0; i < 50; ++i) median.add(middle / 8);
    for (int i = 0; i < 51; ++i) median.add(middle);
    for (int i = 0; i < 50; ++i) median.add(middle * 16);
    ASSERT_TRUE(median.value());
    EXPECT_NEAR(static_cast<double>(median.value()->count()), static_cast<double>(middle.count()),
                0.1 * static_cast<double>(middle.count()));
  }
}

TEST(running_median, takes_any_time) {
  running_median median;
  for (const auto time : {std::chrono::nanoseconds::min(), 0ns, std::chrono::nanoseconds::max()}) median.add(time);
  EXPECT_EQ(median.value()->count(), 8) << "the least that is told apart";
}

TEST_F(paced_runs, start_an_item_each_time_they_are_let) {
  const auto same = task("same", [](int n) { return n; });
  pool pool(watched({.workers = 2}), same);
  int asked = 0, let = 0, most_told = 0;
  std::size_t most_active = 0;
  const auto report = run(pool, same, up_to(10),
                          {.parallel = 4,
                           .hold_back = [&](std::size_t active) -> std::chrono::nanoseconds {
                             most_active = std::max(most_active, active);
                             if (++asked % 3 != 0) return 1ms;
                             ++let;
                             return 0ns;
                           },
                           .emit = [&](auto&&) { EXPECT_LE(++most_told, let); }});
  EXPECT_TRUE(report.ok());
  EXPECT_EQ(let, 10);
  EXPECT_GE(asked, 30);
  EXPECT_LT(most_active, 4U);
}

TEST_F(paced_runs, that_are_held_back_end_at_a_stop) {
  const auto same = task("same", [](int n) { return n; });
  pool pool(watched({.workers = 1}), same);
  std::stop_source stop;
  int asked = 0;
  const auto report = run(pool, same, up_to(10),
                          {.hold_back = [&](std::size_t) -> std::chrono::nanoseconds {
                             if (++asked == 3) stop.request_stop();
                             return asked < 3 ? 1ms : 24h;
                           },
                           .stop = stop.get_token()});
  EXPECT_EQ(report.how, run_report::ending::stopped);
  EXPECT_EQ(report.succeeded, 0U);
  EXPECT_EQ(report.not_run, report.items);
}

TEST_F(paced_runs, end_what_takes_much_longer_than_the_others) {
  const auto nap = task("nap", [](int n) {
    ::usleep(n == 0 ? 60'000'000 : 20'000);
    return n;
  });
  pool pool(watched({.workers = 2}), nap);
  std::vector<std::string> failed;
  const auto report = run(pool, nap, up_to(8), {.parallel = 2, .timeout_percent = 2'000, .emit = [&](auto&& outcome) {
                                                  if (outcome.failed) failed.push_back(outcome.result.error().what());
                                                }});
  EXPECT_EQ(report.succeeded, 7U);
  ASSERT_EQ(failed.size(), 1U);
  EXPECT_THAT(failed[0], HasSubstr("timed_out in task 'nap': it ran for "));
  EXPECT_THAT(failed[0], HasSubstr("timeout_percent of the median"));
}

TEST_F(paced_runs, try_again_what_took_too_long) {
  const auto nap = task("nap", [](const item_context& context, int n) {
    ::usleep(n == 0 && context.attempt == 1 ? 60'000'000 : 20'000);
    return n;
  });
  pool pool(watched({.workers = 2}), nap);
  const auto report =
      run(pool, nap, up_to(8), {.parallel = 2, .retry = {.attempts = 2, .backoff = 1ms}, .timeout_percent = 2'000});
  EXPECT_TRUE(report.ok());
  EXPECT_EQ(report.retries, 1U);
}

TEST_F(paced_runs, refuse_a_percentage_that_is_none) {
  const auto same = task("same", [](int n) { return n; });
  pool pool(watched({.workers = 1}), same);
  for (const double percent : {-1.0, 1e9, std::nan("")}) {
    try {
      (void)run(pool, same, up_to(1), {.timeout_percent = percent});
      ADD_FAILURE() << percent;
    } catch (const error& problem) {
      EXPECT_THAT(problem.what(), HasSubstr("invalid_options: timeout_percent"));
    }
  }
}

}  // namespace
}  // namespace selvage::test

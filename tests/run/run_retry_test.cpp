// Attempts: which are made, when, with what, and how long an item may take in all.

#include <gmock/gmock.h>

#include <atomic>
#include <stdexcept>

#include "tests/support/lane_memory.hpp"
#include "tests/support/pool_fixture.hpp"

namespace selvage::test {
namespace {

using ::testing::HasSubstr;

class retries : public pool_survives {};

using counters = tests::shared_array<std::atomic<std::uint64_t>>;

TEST_F(retries, go_on_until_an_attempt_succeeds) {
  const counters tried(10);
  const auto third_time = task("third_time", [&tried](int n) {
    if (++tried[static_cast<std::size_t>(n)] < 3) throw std::runtime_error("not yet");
    return n;
  });
  pool pool(watched({.workers = 2}), third_time);
  std::map<int, unsigned> attempts;
  const auto report = run(pool, third_time, std::vector<int>{1, 2, 3},
                          {.retry = {.attempts = 5, .backoff = 1ms},
                           .emit = [&](auto&& outcome) { attempts[outcome.result.value()] = outcome.attempts; }});
  EXPECT_TRUE(report.ok());
  EXPECT_EQ(attempts, (std::map<int, unsigned>{{1, 3}, {2, 3}, {3, 3}}));
  EXPECT_EQ(report.attempts, 9U);
  EXPECT_EQ(report.retries, 6U);
}

TEST_F(retries, end_with_the_last_error) {
  const counters tried(1);
  const auto never =
      task("never", [&tried](int) -> int { throw std::runtime_error("attempt " + std::to_string(++tried[0])); });
  pool pool(watched({.workers = 1}), never);
  std::string told;
  const auto report = run(pool, never, std::vector<int>{1},
                          {.retry = {.attempts = 3, .backoff = 0ms},
                           .emit = [&](auto&& outcome) { told = outcome.result.error().details().message; }});
  EXPECT_EQ(told, "attempt 3");
  EXPECT_EQ(report.failed, 1U);
}

TEST_F(retries, are_for_what_is_worth_them) {
  const counters tried(1);
  const auto never = task("never", [&tried](int) -> int {
    ++tried[0];
    throw std::runtime_error("no");
  });
  pool pool(watched({.workers = 1}), never);
  (void)run(pool, never, std::vector<int>{1},
            {.retry = {.attempts = 3, .backoff = 0ms, .worth = [](const error&) { return false; }}});
  EXPECT_EQ(tried[0], 1U);
}

TEST_F(retries, pass_their_number_to_the_task) {
  const auto number = task("number", [](const item_context& item, int) -> int {
    if (item.attempt < 4) throw std::runtime_error("again");
    return static_cast<int>(item.attempt);
  });
  pool pool(watched({.workers = 1}), number);
  int told = 0;
  (void)run(pool, number, std::vector<int>{1},
            {.retry = {.attempts = 4, .backoff = 0ms}, .emit = [&](auto&& outcome) { told = outcome.result.value(); }});
  EXPECT_EQ(told, 4);
}

TEST_F(retries, are_told_of_each_attempt_that_failed_while_its_place_is_its_own) {
  const counters tried(3);
  const auto second_time = task("second_time", [&tried](const item_context& item, int n) {
    if (++tried[static_cast<std::size_t>(n)] > 1) return item.place;
    if (n == 2) ::raise(SIGKILL);
    throw std::runtime_error("not yet");
  });
  pool pool(watched({.workers = 1}), second_time);
  std::vector<std::string> told;
  const auto report =
      run(pool, second_time, std::vector<int>{1, 2},
          {.parallel = 1,
           .retry = {.attempts = 2, .backoff = 0ms},
           .judge = [](unsigned) -> std::optional<std::string> { return "never good"; },
           .on_failed_attempt =
               [&](const failed_attempt& attempt) {
                 EXPECT_EQ(attempt.place, 1U);
                 EXPECT_EQ(attempt.has_value, attempt.attempt == 2);
                 told.push_back(std::to_string(attempt.ordinal) + "/" + std::to_string(attempt.attempt) + ": " +
                                std::string(to_string(attempt.problem.code())));
               }});
  EXPECT_EQ(report.failed, 2U);
  EXPECT_THAT(told, ::testing::UnorderedElementsAre("0/1: task_failed", "0/2: task_failed", "1/1: crashed",
                                                    "1/2: task_failed"));
}

TEST_F(retries, of_what_kills_each_worker_end_in_quarantine_and_the_run_goes_on) {
  const auto die_of_seven = task("die_of_seven", [](int n) {
    if (n == 7) ::raise(SIGKILL);
    return n;
  });
  pool pool(watched({.workers = 2}), die_of_seven);
  std::vector<int> numbers(100);
  for (int i = 0; i < 100; ++i) numbers[static_cast<std::size_t>(i)] = i;
  std::optional<error> told;
  const auto report =
      run(pool, die_of_seven, numbers, {.retry = {.attempts = 3, .backoff = 1ms}, .emit = [&](auto&& outcome) {
                                          if (!outcome.result) told = outcome.result.error();
                                        }});
  EXPECT_EQ(report.succeeded, 99U);
  EXPECT_EQ(report.failed, 1U);
  ASSERT_TRUE(told);
  EXPECT_EQ(told->code(), errc::quarantined);
  EXPECT_THAT(told->what(), HasSubstr("each of its 3 attempts took its worker with it"));
  EXPECT_THAT(told->what(), HasSubstr("SIGKILL"));
}

TEST_F(retries, have_more_memory_after_one_that_had_too_little) {
  const auto eat = [](std::uint64_t mib) {
    const std::string much(mib << 20U, 'x');
    return much.size() >> 20U;
  };
  const auto small = task("small", eat, {.memory = 64_MiB});
  const auto large = task("large", eat, {.memory = 512_MiB});
  pool pool(watched({.workers = 1}), small, large);
  std::map<std::uint64_t, unsigned> attempts;
  std::map<std::uint64_t, std::string> failed;
  const auto report =
      run(pool, small, std::vector<std::uint64_t>{1, 100, 2000},
          {.retry = {.attempts = 3, .backoff = 0ms, .larger = any_task(large)}, .emit = [&](auto&& outcome) {
             attempts[*outcome.item] = outcome.attempts;
             if (!outcome.result) failed[*outcome.item] = to_string(outcome.result.error().code());
           }});
  EXPECT_EQ(attempts, (std::map<std::uint64_t, unsigned>{{1, 1}, {100, 2}, {2000, 3}}));
  EXPECT_EQ(failed, (std::map<std::uint64_t, std::string>{{2000, "out_of_memory"}}));
  EXPECT_EQ(report.succeeded, 2U);
}

TEST_F(retries, end_with_the_time_of_their_item) {
  const counters tried(1);
  const auto slow_to_fail = task("slow_to_fail", [&tried](int) -> int {
    ++tried[0];
    ::usleep(20'000);
    throw std::runtime_error("no");
  });
  const auto hang = task("hang", [](int) -> int {
    ::pause();
    return 0;
  });
  pool pool(watched({.workers = 1}), slow_to_fail, hang);
  const auto report = run(pool, slow_to_fail, std::vector<int>{1},
                          {.retry = {.attempts = 1000, .backoff = 1ms, .backoff_limit = 1ms}, .item_timeout = 200ms});
  EXPECT_EQ(report.failed, 1U);
  EXPECT_GE(tried[0], 1U);
  EXPECT_LE(tried[0], 11U) << "200 ms have room for no more";
  const auto hung =
      run(pool, hang, std::vector<int>{1}, {.retry = {.attempts = 10, .backoff = 1ms}, .item_timeout = 100ms});
  EXPECT_EQ(hung.failures.at(0).first, errc::timed_out);
}

TEST_F(retries, are_made_of_values_that_are_failures) {
  const counters tried(2);
  const auto exit_status = task("exit_status", [&tried](int n) {
    if (n == 0) return ++tried[0] < 3 ? 1 : 0;
    return 7;
  });
  pool pool(watched({.workers = 1}), exit_status);
  std::vector<std::string> told;
  std::vector<int> folded;
  const auto report = run(
      pool, exit_status, std::vector<int>{0, 1},
      {.retry = {.attempts = 4, .backoff = 0ms},
       .emit =
           [&](auto&& outcome) {
             told.push_back(std::to_string(*outcome.result) + (outcome.failed ? " failed" : "") + " after " +
                            std::to_string(outcome.attempts));
           },
       .combine = [&](int status) { folded.push_back(status); },
       .judge =
           [](int status) { return status == 0 ? std::nullopt : std::optional("it says " + std::to_string(status)); }});
  EXPECT_THAT(told, ::testing::ElementsAre("0 after 3", "7 failed after 4"));
  EXPECT_THAT(folded, ::testing::ElementsAre(0, 7));
  EXPECT_EQ(report.succeeded, 1U);
  EXPECT_EQ(report.failed, 1U);
  EXPECT_EQ(report.failures.at(0).first, errc::task_failed);
}

TEST_F(retries, of_some_items_do_not_hold_up_the_others) {
  const counters tried(1);
  const auto picky = task("picky", [&tried](int n) {
    if (n == 0 && ++tried[0] < 3) throw std::runtime_error("later");
    return n;
  });
  pool pool(watched({.workers = 1}), picky);
  std::vector<int> numbers(50);
  for (int i = 0; i < 50; ++i) numbers[static_cast<std::size_t>(i)] = i;
  std::vector<int> told;
  (void)run(pool, picky, numbers,
            {.retry = {.attempts = 3, .backoff = 50ms, .jitter = 0},
             .emit = [&](auto&& outcome) { told.push_back(outcome.result.value()); },
             .in_order = false});
  ASSERT_EQ(told.size(), 50U);
  EXPECT_EQ(told.back(), 0);
}

}  // namespace
}  // namespace selvage::test

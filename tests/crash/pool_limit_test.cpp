// Options of tasks and calls that are out of range: refused by the name of their field, where they are given.

#include "tests/support/pool_fixture.hpp"

namespace selvage::test {
namespace {

class pool_limits : public pool_survives {};

TEST_F(pool_limits, that_are_negative_for_a_task_are_refused_when_the_pool_is_built) {
  for (const task_options& options : {task_options{.timeout = -1ns}, task_options{.grace = -1s}}) {
    const auto bad = task("bad", &add_numbers, options);
    try {
      const pool pool(watched({.workers = 1}), add, bad);
      FAIL() << "the pool was built";
    } catch (const error& problem) {
      EXPECT_EQ(problem.code(), errc::invalid_options);
      const std::string field = options.grace.count() < 0 ? "task_options::grace" : "task_options::timeout";
      EXPECT_NE(std::string(problem.what()).find(field + " of task 'bad'"), std::string::npos) << problem.what();
    }
  }
}

TEST_F(pool_limits, that_are_negative_for_a_call_are_the_outcome_of_the_call) {
  pool pool(watched({.workers = 1}), add);
  const auto late = pool.call_with({.timeout = -5s}, add, 1, 2).result();
  ASSERT_EQ(code_of(late), errc::invalid_options);
  EXPECT_NE(std::string(late.error().what()).find("call_options::timeout"), std::string::npos);
  EXPECT_EQ(late.error().details().task, "add");
  EXPECT_EQ(code_of(pool.call_with({.grace = -1ns}, add, 1, 2).result()), errc::invalid_options);
  EXPECT_EQ(code_of(pool.call_with({.timeout = -1ns}, add, pool.call(add, 1, 2), 3).result()), errc::invalid_options);
  EXPECT_EQ(pool.stats().posted, 1U) << "only the input of the last one ran";
  EXPECT_EQ(pool.call_with({.timeout = 1h, .grace = 0ns}, add, 1, 2).get(), 3);
}

TEST_F(pool_limits, of_one_call_hold_in_whatever_way_it_is_called) {
  const auto echo = selvage::task("echo", [](const std::string& text) { return text; });
  const auto hang = selvage::task("hang", [](int) -> std::string {
    for (;;) ::pause();
  });
  pool pool(watched({.workers = 2}), add, echo, hang);
  const call_options limited{.timeout = 50ms};
  EXPECT_EQ(code_of(pool.try_call_with(limited, hang, 1).value().result()), errc::timed_out);
  EXPECT_EQ(code_of(pool.call_trusted_with(limited, hang, 1).result()), errc::timed_out);
  EXPECT_EQ(code_of(pool.try_call_with({.timeout = -1ns}, add, 1, 2).value().result()), errc::invalid_options);
  EXPECT_EQ(code_of(pool.call_trusted_with({.timeout = -1ns}, echo, "x").result()), errc::invalid_options);
  EXPECT_EQ(pool.try_call_with({.timeout = 1h}, add, 1, 2).value().get(), 3);
  EXPECT_EQ(pool.call_trusted_with({.timeout = 1h}, echo, "x").get().text(), "x");
  expect_usable(pool);
}

// Sums with it must not wrap, in the host, the supervisor or the worker.
TEST_F(pool_limits, of_the_longest_time_there_is_are_none) {
  const auto nap = selvage::task("nap",
                                 [](abort_signal stop) {
                                   ::usleep(300'000);
                                   return stop.requested();
                                 },
                                 {.timeout = 100ms, .grace = 10s});
  pool pool(watched({.workers = 1, .timeout = 100ms}), add, nap);
  EXPECT_TRUE(pool.call(nap).get());
  EXPECT_FALSE(pool.call_with({.timeout = std::chrono::nanoseconds::max()}, nap).get());
  EXPECT_FALSE(
      pool.call_with({.timeout = std::chrono::nanoseconds::max(), .grace = std::chrono::nanoseconds::max()}, nap)
          .get());
  expect_usable(pool);
}

TEST_F(pool_limits, on_the_names_of_tasks_are_told_when_the_pool_is_built) {
  const auto unnamed = selvage::task("", [](int value) { return value; });
  const auto other_add = selvage::task("add", [](int value) { return value; });
  const auto told = [](auto build) -> std::string {
    try {
      build();
    } catch (const error& problem) {
      EXPECT_EQ(problem.code(), errc::invalid_options);
      return problem.what();
    }
    return "nothing";
  };
  EXPECT_NE(told([&] { pool({.workers = 1}, add, unnamed); }).find("must not be empty"), std::string::npos);
  EXPECT_NE(told([&] { pool({.workers = 1}, add, other_add); }).find("'add'"), std::string::npos);
}

}  // namespace
}  // namespace selvage::test

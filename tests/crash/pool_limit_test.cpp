// Options of tasks and calls that are out of range: refused by the name of their field, where they are given.

#include "tests/support/pool_fixture.hpp"

namespace selvage::test {
namespace {

class pool_limits : public pool_survives {};

TEST_F(pool_limits, that_are_negative_for_a_task_are_refused_when_the_pool_is_built) {
  for (const task_options options : {task_options{.timeout = -1ns}, task_options{.grace = -1s}}) {
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

}  // namespace
}  // namespace selvage::test

// BEHAVIOURS, "Trust" and "Errors": what is asked for by name and cannot be had is refused up front; an error always
// has its code, its task and its cause. What a lying worker can write is in tests/fuzz/answer_fuzz.cpp and
// tests/crash/pool_lie_test.cpp.

#include <fcntl.h>
#include <gmock/gmock.h>

#include <map>
#include <memory>

#include "tests/support/pool_fixture.hpp"
#include "tests/support/shared_words.hpp"

namespace selvage::test {
namespace {

class trust : public pool_survives {};

using ::testing::HasSubstr;

/// The error with which a pool is refused.
template <class... F>
failure refused(const pool_options& options, const task<F>&... tasks) {
  try {
    const pool never(options, tasks...);
    ADD_FAILURE() << "the pool was built";
    return {};
  } catch (const error& problem) {
    return problem.details();
  }
}

// "refused up front": before any process starts.
TEST_F(trust, a_bad_option_is_refused_by_name_before_any_process_starts) {
  const shared_words started(1);
  const failure what =
      refused({.workers = 2, .payload_cap = 65_MiB, .initializer = [&started] { started[0].fetch_add(1); }}, add);
  EXPECT_EQ(what.code, errc::invalid_options);
  EXPECT_THAT(what.message, HasSubstr("pool_options::payload_cap"));
  EXPECT_EQ(started[0], 0U);
  EXPECT_EQ(refused({.workers = 1000}, add).code, errc::invalid_options);
  EXPECT_EQ(refused({.depth = {.maximum = 0}}, add).code, errc::invalid_options);
}

TEST_F(trust, sixty_five_thousand_five_hundred_and_thirty_six_tasks_pass_and_one_more_does_not) {
  const auto one = task("one", [](int value) { return value; });
  std::vector<any_task> tasks;
  tasks.reserve(65'537);
  for (int i = 0; i < 65'535; ++i)
    tasks.emplace_back(task("one of " + std::to_string(i), [](int value) { return value + 1; }));
  tasks.emplace_back(one);
  {
    pool pool(watched({.workers = 1}), tasks);
    EXPECT_EQ(pool.call(one, 7).get(), 7);
  }
  tasks.emplace_back(add);
  try {
    const pool never({.workers = 1}, tasks);
    ADD_FAILURE() << "the pool was built";
  } catch (const error& problem) {
    EXPECT_EQ(problem.code(), errc::too_many_tasks);
    EXPECT_THAT(problem.what(), HasSubstr("65537"));
  }
}

TEST_F(trust, a_pool_without_tasks_knows_none) {
  pool pool(watched({.workers = 1}), std::vector<any_task>{});
  const auto outcome = pool.call(add, 1, 2).result();
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().code(), errc::unknown_task);
  EXPECT_EQ(pool.stats().failed, 1U);
}

TEST_F(trust, a_task_of_the_same_name_is_still_another_task) {
  pool pool(watched({.workers = 1}), add);
  const auto other = task("add", [](int a, int b) { return a - b; });
  const auto outcome = pool.call(other, 1, 2).result();
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().code(), errc::unknown_task);
  EXPECT_EQ(outcome.error().details().task, "add");
  EXPECT_EQ(pool.stats().tasks[0].failed, 0U) << "a stranger's failure is not put down to a task of the pool";
  EXPECT_EQ(pool.call(add, 1, 2).get(), 3);
}

TEST_F(trust, a_copy_of_a_task_is_the_same_task) {
  const auto copy = add;
  pool pool(watched({.workers = 1}), add);
  EXPECT_EQ(pool.call(copy, 1, 2).get(), 3);
}

// "Always a typed error with a code, the task's name and the cause; never a bare string."
TEST_F(trust, every_kind_of_failure_has_a_code_a_task_a_cause_and_an_id) {
  const gate gate;
  const auto thrower = task("thrower", []() -> int { throw std::runtime_error("the cause"); });
  const auto crasher = task("crasher", []() -> int {
    ::raise(SIGSEGV);
    return 0;
  });
  const auto leaver = task("leaver", []() -> int { ::_exit(5); });
  const auto sleeper = task("sleeper",
                            []() -> int {
                              ::pause();
                              return 0;
                            },
                            {.timeout = 10ms});
  const auto glutton = task("glutton", []() { return std::string(20U << 20U, 'x'); });
  const auto bad_alloc = task("bad_alloc", []() -> int { throw std::bad_alloc(); });
  pool pool(watched({.workers = 1}), thrower, crasher, leaver, sleeper, glutton, bad_alloc);
  const auto check = [&](const auto& outcome, errc code, const char* name, const char* words) {
    ASSERT_FALSE(outcome.has_value());
    const failure& what = outcome.error().details();
    EXPECT_EQ(what.code, code) << outcome.error().report();
    EXPECT_EQ(what.task, name);
    EXPECT_THAT(what.message, HasSubstr(words));
    EXPECT_NE(what.call_id, 0U);
    EXPECT_EQ(what.attempt, 1U);
    EXPECT_THAT(outcome.error().what(), HasSubstr(name));
    EXPECT_THAT(outcome.error().what(), HasSubstr(std::string(to_string(code))));
    EXPECT_THAT(outcome.error().report(), HasSubstr(outcome.error().what()));
  };
  check(pool.call(thrower).result(), errc::task_failed, "thrower", "the cause");
  check(pool.call(crasher).result(), errc::crashed, "crasher", "SIGSEGV");
  check(pool.call(leaver).result(), errc::exited, "leaver", "5");
  check(pool.call(sleeper).result(), errc::timed_out, "sleeper", "time limit");
  check(pool.call(glutton).result(), errc::payload_too_large, "glutton", "payload_cap");
  check(pool.call(bad_alloc).result(), errc::out_of_memory, "bad_alloc", "allocation");
}

TEST_F(trust, a_failure_by_the_callers_own_doing_or_through_an_input_names_its_task_and_its_cause) {
  const auto held = task("held", [](int) {
    ::pause();
    return 0;
  });
  const auto thrower = task("thrower", []() -> int {
    try {
      throw std::out_of_range("the inner cause");
    } catch (const std::exception&) {
      std::throw_with_nested(std::runtime_error("the outer one"));
    }
  });
  pool pool(watched({.workers = 2}), held, thrower, add);
  auto call = pool.call_with({.grace = 50ms}, held, 1);  // it may have started
  call.abort();
  const auto aborted = call.result();
  ASSERT_EQ(code_of(aborted), errc::aborted);
  EXPECT_EQ(aborted.error().details().task, "held");
  EXPECT_THAT(aborted.error().what(), HasSubstr("abort"));

  const auto nested = pool.call(thrower).result();
  ASSERT_EQ(code_of(nested), errc::task_failed);
  EXPECT_THAT(nested.error().details().message, HasSubstr("the outer one"));
  EXPECT_THAT(nested.error().details().causes, ::testing::ElementsAre(HasSubstr("out_of_range: the inner cause")));

  const auto through_an_input = pool.call(add, pool.call(thrower), 1).result();
  ASSERT_EQ(code_of(through_an_input), errc::task_failed);
  EXPECT_EQ(through_an_input.error().details().task, "thrower");
  EXPECT_THAT(through_an_input.error().details().message, HasSubstr("the outer one"));
}

TEST_F(trust, the_workers_pid_and_last_words_are_in_the_error) {
  const auto crasher = task("crasher", []() -> int {
    std::fprintf(stderr, "my last words\n");
    ::raise(SIGSEGV);
    return 0;
  });
  pool pool(watched({.workers = 1}), crasher);
  const int pid = worker_pids(pool)[0];
  const auto outcome = pool.call(crasher).result();
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().details().worker_pid, pid);
  EXPECT_EQ(outcome.error().details().signal, SIGSEGV);
  EXPECT_THAT(outcome.error().details().stderr_tail, HasSubstr("my last words"));
  EXPECT_THAT(outcome.error().report(), HasSubstr("my last words"));
}

TEST_F(trust, an_initializer_that_throws_is_named_when_the_pool_is_built) {
  const failure what = refused({.workers = 1,
                                .restart = {.budget = 2, .backoff = 1ms},
                                .initializer =
                                    [] {
                                      std::fprintf(stderr, "no licence file\n");
                                      throw std::runtime_error("no licence");
                                    }},
                               add);
  EXPECT_EQ(what.code, errc::worker_start_failed);
  EXPECT_THAT(what.message, HasSubstr("no licence"));
}

// Under start::fork any callable works, captured state included.
TEST_F(trust, a_lambda_brings_what_it_captured) {
  std::map<std::string, int> prices{{"tea", 3}, {"bread", 4}};
  const auto table = std::make_unique<int>(1000);
  const auto price =
      task("price", [prices, at = table.get()](const std::string& item) { return prices.at(item) + *at; });
  prices.clear();
  pool pool(watched({.workers = 2}), price);
  *table = 7;  // the workers have the memory of when the pool was built
  EXPECT_EQ(pool.call(price, "tea").get(), 1003);
  const auto unknown = pool.call(price, "gold").result();
  ASSERT_FALSE(unknown.has_value());
  EXPECT_THAT(unknown.error().details().exception_type, HasSubstr("out_of_range"));
}

TEST_F(trust, what_a_task_changes_stays_in_its_worker) {
  const auto counter = task("counter", [count = 0]() mutable { return ++count; });
  pool pool(watched({.workers = 1}), counter);
  EXPECT_EQ(pool.call(counter).get(), 1);
  EXPECT_EQ(pool.call(counter).get(), 2);
  ::kill(worker_pids(pool)[0], SIGKILL);
  EXPECT_TRUE(holds_in_the_end([&] { return pool.call(counter).result().value_or(0) == 1; }));
}

TEST_F(trust, only_named_descriptors_are_inherited) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const auto write_to = task("write_to", [](int fd) { return static_cast<int>(::write(fd, "x", 1)); });
  {
    pool pool(watched({.workers = 1, .inherit = {ends[1]}}), write_to);
    EXPECT_EQ(pool.call(write_to, ends[1]).get(), 1);
    EXPECT_EQ(pool.call(write_to, ends[0]).get(), -1);
  }
  ::close(ends[0]);
  ::close(ends[1]);
}

}  // namespace
}  // namespace selvage::test

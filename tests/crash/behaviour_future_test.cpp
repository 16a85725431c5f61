// BEHAVIOURS, "Order and settling": inputs that are futures resolve in any order. And what a future offers: get,
// result, wait_for, then, detach, and being dropped.

#include <gmock/gmock.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "tests/support/pool_fixture.hpp"
#include "tests/support/random.hpp"
#include "tests/support/shared_words.hpp"

namespace selvage::test {
namespace {

class futures : public pool_survives {};

const auto fail_with = task("fail_with", [](std::string text) -> int { throw std::runtime_error(text); });

TEST_F(futures, a_future_is_an_argument) {
  pool pool(watched({.workers = 2}), add);
  EXPECT_EQ(pool.call(add, pool.call(add, 1, 2), 3).get(), 6);
  EXPECT_EQ(pool.call(add, pool.call(add, 1, 2), pool.call(add, 3, 4)).get(), 10);
}

TEST_F(futures, an_input_that_is_known_already_is_an_argument_too) {
  pool pool(watched({.workers = 1}), add);
  auto first = pool.call(add, 1, 2);
  first.wait();
  EXPECT_EQ(pool.call(add, std::move(first), 3).get(), 6);
}

TEST_F(futures, a_chain_of_two_hundred_calls) {
  pool pool(watched({.workers = 2}), add);
  auto sum = pool.call(add, 0, 0);
  for (int i = 0; i < 200; ++i) sum = pool.call(add, std::move(sum), 1);
  EXPECT_EQ(sum.get(), 200);
}

TEST_F(futures, literals_stand_beside_futures) {
  const auto join = task("join", [](std::string_view a, const std::string& b, int times) {
    std::string all;
    for (int i = 0; i < times; ++i) all += std::string(a) + b;
    return all;
  });
  pool pool(watched({.workers = 2}), join, add);
  EXPECT_EQ(pool.call(join, "a", "b", pool.call(add, 1, 2)).get(), "ababab");
  EXPECT_EQ(pool.call(join, pool.call(join, "x", "y", 1), "b", pool.call(add, 1, 1)).get(), "xybxyb");
}

// What the caller passed is gone before the input is known: the call must have kept its own.
TEST_F(futures, a_call_that_waits_owns_its_plain_arguments) {
  const gate gate;
  const auto held = task("held", [&gate] {
    gate.pass();
    return 2;
  });
  const auto repeat = task("repeat", [](std::string_view text, std::span<const std::byte> more, int times) {
    return std::string(text) + std::to_string(more.size()) + std::to_string(times);
  });
  pool pool(watched({.workers = 2}), held, repeat);
  std::optional<future<std::string>> call;
  {
    std::string text(1000, 'x');
    std::vector<std::byte> more(777);
    call = pool.call(repeat, std::string_view(text), more, pool.call(held));
    std::fill(text.begin(), text.end(), '?');
  }
  gate.open();
  EXPECT_EQ(call->get(), std::string(1000, 'x') + "7772");
}

TEST_F(futures, an_input_that_fails_fails_the_call_and_the_task_does_not_run) {
  const shared_words ran(1);
  const auto counted = task("counted", [&ran](int a, int b) {
    ran[0].fetch_add(1);
    return a + b;
  });
  pool pool(watched({.workers = 2}), counted, fail_with, add);
  const auto outcome = pool.call(counted, pool.call(fail_with, "no luck"), pool.call(add, 1, 2)).result();
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().code(), errc::task_failed);
  EXPECT_EQ(outcome.error().details().task, "fail_with");
  EXPECT_THAT(outcome.error().what(), ::testing::HasSubstr("no luck"));
  EXPECT_EQ(pool.call(counted, 1, 2).get(), 3);
  EXPECT_EQ(ran[0], 1u);
}

TEST_F(futures, inputs_resolve_in_any_order) {
  tests::random_source random;
  const auto nap = task("nap", [](int us, int value) {
    ::usleep(static_cast<unsigned>(us));
    return value;
  });
  const auto digits = task("digits", [](int a, int b, int c, int d) { return 1000 * a + 100 * b + 10 * c + d; });
  pool pool(watched({.workers = 4}), nap, digits);
  std::vector<future<int>> calls;
  for (int i = 0; i < 200; ++i) {
    const auto one = [&](int value) { return pool.call(nap, static_cast<int>(random.below(500)), value); };
    calls.push_back(pool.call(digits, one(1), 2, one(3), one(4)));
  }
  for (auto& call : calls) EXPECT_EQ(call.get(), 1234);
}

TEST_F(futures, an_input_may_come_from_another_pool) {
  pool first(watched({.workers = 1}), add);
  pool second(watched({.workers = 1}), add);
  EXPECT_EQ(second.call(add, first.call(add, 1, 2), second.call(add, 3, 4)).get(), 10);
}

TEST_F(futures, a_pool_may_go_before_the_input_from_another_pool_is_known) {
  const gate gate;
  const auto held = task("held", [&gate] {
    gate.pass();
    return 1;
  });
  pool other(watched({.workers = 1}), held);
  std::optional<pool> gone(std::in_place, watched({.workers = 1}), add);
  auto call = gone->call(add, other.call(held), 2);
  gone.reset();
  EXPECT_TRUE(call.ready());
  EXPECT_EQ(code_of(call.result()), errc::pool_closed);
  gate.open();
  EXPECT_EQ(other.call(held).get(), 1);
}

TEST_F(futures, a_call_that_waits_for_its_inputs_can_be_aborted) {
  const gate gate;
  const auto held = task("held", [&gate] {
    gate.pass();
    return 1;
  });
  pool pool(watched({.workers = 1}), held, add);
  auto call = pool.call(add, pool.call(held), 2);
  call.abort();
  EXPECT_EQ(code_of(call.result()), errc::aborted);
  gate.open();
  EXPECT_EQ(pool.call(add, 1, 2).get(), 3);
}

TEST_F(futures, a_stop_request_reaches_a_call_that_waits_for_its_inputs) {
  const gate gate;
  const auto held = task("held", [&gate] {
    gate.pass();
    return 1;
  });
  pool pool(watched({.workers = 1}), held, add);
  std::stop_source stop;
  auto call = pool.call_with({.stop = stop.get_token()}, add, pool.call(held), 2);
  stop.request_stop();
  EXPECT_TRUE(call.wait_for(10s));
  EXPECT_EQ(code_of(call.result()), errc::aborted);
  gate.open();
}

TEST_F(futures, closing_a_pool_settles_calls_that_wait_for_their_inputs) {
  const gate gate;
  const auto held = task("held", [&gate] {
    gate.pass();
    return 1;
  });
  future<int> call;
  {
    pool pool(watched({.workers = 1}), held, add);
    call = pool.call(add, pool.call(held), 2);
  }
  EXPECT_TRUE(call.ready());
  EXPECT_EQ(code_of(call.result()), errc::pool_closed);
}

TEST_F(futures, a_call_for_an_unknown_task_fails_at_once_whatever_its_inputs_do) {
  const gate gate;
  const auto held = task("held", [&gate] {
    gate.pass();
    return 1;
  });
  pool pool(watched({.workers = 1}), held, add);
  auto call = pool.call(task("stranger", [](int value) { return value; }), pool.call(held));
  EXPECT_TRUE(call.ready());
  const auto outcome = call.result();
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().code(), errc::unknown_task);
  EXPECT_EQ(outcome.error().details().task, "stranger");
  gate.open();
  EXPECT_EQ(pool.call(add, 1, 2).get(), 3);
}

// ---- waiting
// ---------------------------------------------------------------------------------------------------------

TEST_F(futures, wait_for_says_whether_the_outcome_is_known) {
  const gate gate;
  const auto held = task("held", [&gate] {
    gate.pass();
    return 1;
  });
  pool pool(watched({.workers = 1}), held);
  auto call = pool.call(held);
  EXPECT_FALSE(call.wait_for(0ns));
  EXPECT_FALSE(call.wait_for(20ms));
  EXPECT_FALSE(call.ready());
  gate.open();
  EXPECT_TRUE(call.wait_for(20s));
  EXPECT_TRUE(call.ready());
  EXPECT_EQ(call.get(), 1);
  EXPECT_FALSE(call.valid());
}

TEST_F(futures, get_throws_what_result_returns) {
  pool pool(watched({.workers = 1}), fail_with);
  EXPECT_EQ(code_of(pool.call(fail_with, "a").result()), errc::task_failed);
  try {
    pool.call(fail_with, "a").get();
    FAIL() << "no exception";
  } catch (const error& problem) {
    EXPECT_EQ(problem.code(), errc::task_failed);
  }
}

TEST_F(futures, a_settled_future_outlives_its_pool) {
  future<std::string> kept;
  future<int> failed;
  {
    const auto text = task("text", [](int size) { return std::string(static_cast<std::size_t>(size), 'x'); });
    pool pool(watched({.workers = 1}), text, fail_with);
    kept = pool.call(text, 100'000);
    failed = pool.call(fail_with, "gone");
    kept.wait();
    failed.wait();
  }
  EXPECT_EQ(kept.get(), std::string(100'000, 'x'));
  EXPECT_EQ(code_of(failed.result()), errc::task_failed);
}

TEST_F(futures, a_detached_call_runs_and_a_dropped_one_is_aborted) {
  const gate gate;
  const shared_words ran(2);
  const auto held = task("held", [&gate] { gate.pass(); });
  const auto count = task("count", [&ran](int which) { ran[static_cast<std::size_t>(which)].fetch_add(1); });
  pool pool(watched({.workers = 1, .depth = {.maximum = 1}}), held, count);
  auto first = pool.call(held);
  for (int i = 0; i < 50; ++i) {
    pool.call(count, 0).detach();
    (void)pool.call(count, 1);
  }
  gate.open();
  first.get();
  pool.shutdown(20s);
  EXPECT_EQ(ran[0], 50u);
  EXPECT_EQ(ran[1], 0u);
}

TEST_F(futures, assigning_to_a_future_drops_the_call_that_it_had) {
  const gate gate;
  const auto held = task("held", [&gate](abort_signal stop) {
    gate.pass();
    return stop.wait_for(1h);
  });
  pool pool(watched({.workers = 1}), held);
  auto call = pool.call(held);
  gate.open();
  ASSERT_TRUE(holds_in_the_end([&] { return gate.arrived() == 1; }));
  call = pool.call(held);  // the first would run for an hour if it were not aborted
  ASSERT_TRUE(holds_in_the_end([&] {
    (void)call.wait_for(1ms);
    return gate.arrived() == 2;
  }));
  call.abort();
  EXPECT_TRUE(call.get());
}

// ---- callbacks
// -------------------------------------------------------------------------------------------------------

/// Where callbacks leave what they saw, for the test's thread to wait for.
class seen {
 public:
  void add(int value) {
    const std::lock_guard hold(lock_);
    values_.push_back(value);
    more_.notify_all();
  }
  [[nodiscard]] std::vector<int> after(std::size_t count) {
    std::unique_lock hold(lock_);
    more_.wait_for(hold, 20s, [&] { return values_.size() >= count; });
    return values_;
  }

 private:
  std::mutex lock_;
  std::condition_variable more_;
  std::vector<int> values_;
};

TEST_F(futures, callbacks_run_once_each) {
  seen seen;
  pool pool(watched({.workers = 1}), add);
  std::vector<int> expected;
  for (int i = 0; i < 500; ++i) {
    pool.call(add, i, 0).then([&seen](tl::expected<int, error> sum) { seen.add(sum.value_or(-1)); });
    expected.push_back(i);
  }
  EXPECT_THAT(seen.after(500), ::testing::UnorderedElementsAreArray(expected));
}

TEST_F(futures, a_callback_gets_the_error) {
  seen seen;
  pool pool(watched({.workers = 1}), fail_with);
  pool.call(fail_with, "x").then([&seen](tl::expected<int, error> outcome) {
    seen.add(static_cast<int>(code_of(outcome)));
  });
  EXPECT_THAT(seen.after(1), ::testing::ElementsAre(static_cast<int>(errc::task_failed)));
}

TEST_F(futures, a_callback_for_a_call_that_is_settled_runs) {
  seen seen;
  pool pool(watched({.workers = 1}), add);
  auto call = pool.call(add, 1, 2);
  call.wait();
  call.then([&seen](tl::expected<int, error> sum) { seen.add(*sum); });
  EXPECT_THAT(seen.after(1), ::testing::ElementsAre(3));
}

TEST_F(futures, a_callback_calls_waits_and_registers_again) {
  seen seen;
  pool pool(watched({.workers = 2}), add);
  pool.call(add, 1, 2).then([&](tl::expected<int, error> sum) {
    seen.add(pool.call(add, *sum, 10).get());
    pool.call(add, *sum, 20).then([&](tl::expected<int, error> next) { seen.add(*next); });
  });
  EXPECT_THAT(seen.after(2), ::testing::ElementsAre(13, 23));
}

TEST_F(futures, callbacks_run_while_other_threads_wait) {
  seen seen;
  const gate gate;
  const auto held = task("held", [&gate] { gate.pass(); });
  pool pool(watched({.workers = 2, .depth = {.maximum = 1}}), held, add);
  auto slow = pool.call(held);
  std::thread waiting([&] { slow.get(); });
  for (int i = 0; i < 100; ++i) pool.call(add, i, 0).then([&](tl::expected<int, error> sum) { seen.add(*sum); });
  EXPECT_EQ(seen.after(100).size(), 100u);
  gate.open();
  waiting.join();
}

TEST_F(futures, every_callback_has_run_when_the_pool_is_gone) {
  const gate gate;
  const auto held = task("held", [&gate] {
    gate.pass();
    return 1;
  });
  std::atomic<int> closed{0};
  {
    pool pool(watched({.workers = 1}), held);
    for (int i = 0; i < 50; ++i) {
      pool.call(held).then(
          [&](tl::expected<int, error> outcome) { closed += code_of(outcome) == errc::pool_closed ? 1 : 0; });
    }
  }
  EXPECT_EQ(closed, 50);
}

}  // namespace
}  // namespace selvage::test

// BEHAVIOURS, "Shutdown": draining drains, immediate settles, and every order of closing is safe.

#include <gmock/gmock.h>

#include <atomic>
#include <optional>
#include <thread>

#include "tests/support/pool_fixture.hpp"
#include "tests/support/shared_words.hpp"

namespace selvage::test {
namespace {

class shutting_down : public pool_survives {};

// "Draining really drains"
TEST_F(shutting_down, draining_finishes_what_is_running_queued_and_waiting_for_inputs) {
  const shared_words ran(1);
  const auto nap = task("nap", [&ran](int value) {
    ::usleep(1000);
    ran[0].fetch_add(1);
    return value;
  });
  pool pool(watched({.workers = 2, .depth = {.maximum = 2}}), nap);
  std::vector<future<int>> calls;
  for (int i = 0; i < 100; ++i) calls.push_back(pool.call(nap, i));
  for (int i = 0; i < 20; ++i) calls.push_back(pool.call(nap, pool.call(nap, i)));
  pool.shutdown(30s);
  for (auto& call : calls) {
    ASSERT_TRUE(call.ready());
    EXPECT_EQ(code_of(call.result()), errc{});
  }
  EXPECT_EQ(ran[0], 140U);
}

TEST_F(shutting_down, a_drain_that_is_over_settles_what_is_left) {
  const gate gate;
  const auto held = task("held", [&gate] { gate.pass(); });
  pool pool(watched({.workers = 1}), held, add);
  auto done = pool.call(add, 1, 2);
  std::vector<future<void>> stuck;
  for (int i = 0; i < 10; ++i) stuck.push_back(pool.call(held));
  pool.shutdown(1s);
  EXPECT_EQ(done.get(), 3);
  for (auto& call : stuck) EXPECT_EQ(code_of(call.result()), errc::pool_closed);
}

// "immediate settles every call with pool_closed"
TEST_F(shutting_down, immediate_settles_every_call_with_pool_closed) {
  const gate gate;
  const auto held = task("held", [&gate](int value) {
    gate.pass();
    return value;
  });
  pool pool(watched({.workers = 2}), held);
  std::vector<future<int>> calls;
  for (int i = 0; i < 300; ++i) calls.push_back(pool.call(held, i));
  calls.push_back(pool.call(held, pool.call(held, 1)));
  pool.shutdown();
  for (auto& call : calls) {
    ASSERT_TRUE(call.ready());
    const auto outcome = call.result();
    ASSERT_FALSE(outcome.has_value());
    EXPECT_EQ(outcome.error().code(), errc::pool_closed);
    EXPECT_EQ(outcome.error().details().task, "held");
  }
}

// "a second shutdown ... and destruction without shutdown are safe"
TEST_F(shutting_down, a_second_and_a_third_shutdown_do_nothing) {
  pool pool(watched({.workers = 1}), add);
  pool.shutdown();
  pool.shutdown(1s);
  pool.shutdown();
}

TEST_F(shutting_down, several_threads_shut_down_at_once) {
  for (int round = 0; round < 10; ++round) {
    const gate gate;
    const auto held = task("held", [&gate] { gate.pass(); });
    pool pool(watched({.workers = 2}), held);
    auto call = pool.call(held);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back([&pool, i] { pool.shutdown(i % 2 == 0 ? 0ns : 20ms); });
    EXPECT_EQ(code_of(call.result()), errc::pool_closed);
    for (std::thread& each : threads) each.join();
  }
}

TEST_F(shutting_down, a_pool_that_was_never_used_goes) { pool pool(watched({.workers = 4}), add); }

TEST_F(shutting_down, a_moved_pool_is_shut_down_once) {
  pool first(watched({.workers = 1}), add);
  pool second(std::move(first));
  EXPECT_EQ(second.call(add, 1, 2).get(), 3);
}

// "a shutdown from a callback"
TEST_F(shutting_down, a_callback_shuts_its_pool_down) {
  std::atomic<bool> closed{false};
  pool pool(watched({.workers = 1}), add);
  pool.call(add, 1, 2).then([&](const auto&) {
    pool.shutdown();
    closed = true;
  });
  EXPECT_TRUE(holds_in_the_end([&] { return closed.load(); }));
  EXPECT_EQ(code_of(pool.call(add, 1, 2).result()), errc::pool_closed);
}

TEST_F(shutting_down, a_callback_shuts_its_pool_down_while_others_wait_and_call) {
  const gate gate;
  const auto held = task("held", [&gate] { gate.pass(); });
  pool pool(watched({.workers = 2, .queue = 2, .depth = {.maximum = 1}}), held, add);
  auto stuck = pool.call(held);
  std::thread waiting([&] { EXPECT_EQ(code_of(stuck.result()), errc::pool_closed); });
  std::thread calling([&] {
    while (code_of(pool.call(add, 1, 2).result()) != errc::pool_closed) {
    }
  });
  ::usleep(20'000);
  pool.call(add, 1, 2).then([&](const auto&) { pool.shutdown(); });
  waiting.join();
  calling.join();
}

TEST_F(shutting_down, a_callback_destroys_its_pool) {
  const gate gate;
  const auto held = task("held", [&gate] { gate.pass(); });
  std::atomic<int> ran{0};
  auto* const owned = new pool(watched({.workers = 1}), held);
  for (int i = 0; i < 5; ++i) {
    owned->call(held).then([&ran, owned, i](const auto&) {
      if (i == 2) delete owned;
      ++ran;
    });
  }
  gate.open();  // not before: no call may be made of a pool that is being destroyed
  EXPECT_TRUE(holds_in_the_end([&] { return ran == 5; }));
}

// "nothing runs afterwards"
TEST_F(shutting_down, nothing_runs_afterwards) {
  const shared_words ran(1);
  const auto count = task("count", [&ran] {
    ::usleep(100);
    ran[0].fetch_add(1);
  });
  std::vector<future<void>> calls;
  {
    pool pool(watched({.workers = 4}), count);
    for (int i = 0; i < 500; ++i) calls.push_back(pool.call(count));
    ::usleep(2000);
  }
  const std::uint64_t then = ran[0];
  ::usleep(100'000);
  EXPECT_EQ(ran[0], then);
  std::uint64_t succeeded = 0;
  for (auto& call : calls) succeeded += call.result().has_value() ? 1U : 0U;
  EXPECT_LE(succeeded, then);
}

TEST_F(shutting_down, calls_after_it_are_refused_with_the_tasks_name) {
  pool pool(watched({.workers = 1}), add);
  pool.shutdown();
  const auto outcome = pool.call(add, 1, 2).result();
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().code(), errc::pool_closed);
  EXPECT_EQ(outcome.error().details().task, "add");
  auto tried = pool.try_call(add, 1, 2);
  ASSERT_TRUE(tried.has_value());
  EXPECT_EQ(code_of(tried->result()), errc::pool_closed);
  EXPECT_EQ(pool.stats().succeeded, 0U);
}

TEST_F(shutting_down, the_finalizer_runs_in_each_idle_worker_and_the_initializer_did) {
  const shared_words counts(2);
  {
    pool pool(watched({.workers = 3,
                       .initializer = [&counts] { counts[0].fetch_add(1); },
                       .finalizer = [&counts] { counts[1].fetch_add(1); }}),
              add);
    EXPECT_EQ(counts[0], 3U);
    expect_usable(pool);
    EXPECT_EQ(counts[1], 0U);
  }
  EXPECT_EQ(counts[0], 3U);
  EXPECT_EQ(counts[1], 3U);
}

TEST_F(shutting_down, a_caller_that_waits_for_room_is_told_that_the_pool_closed) {
  const gate gate;
  const auto held = task("held", [&gate] { gate.pass(); });
  pool pool(watched({.workers = 1, .queue = 1, .depth = {.maximum = 1}}), held);
  auto running = pool.call(held);
  auto queued = pool.call(held);
  std::vector<std::thread> callers;
  for (int i = 0; i < 3; ++i) {
    callers.emplace_back([&] { EXPECT_EQ(code_of(pool.call(held).result()), errc::pool_closed); });
  }
  ::usleep(30'000);
  pool.shutdown();
  for (std::thread& each : callers) each.join();
}

}  // namespace
}  // namespace selvage::test

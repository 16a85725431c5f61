// BEHAVIOURS, "Order and settling": first in, first out a lane; exactly one outcome, whatever races for it; an abort
// gives everything back that the call held.

#include <gmock/gmock.h>

#include <atomic>
#include <stop_token>
#include <thread>

#include "tests/support/pool_fixture.hpp"
#include "tests/support/random.hpp"
#include "tests/support/shared_words.hpp"

namespace selvage::test {
namespace {

class order : public pool_survives {};

using ::testing::AnyOf;

// "First in, first out a lane, over wraparound": 5,000 calls go around the 64 slots 78 times.
TEST_F(order, a_lane_runs_its_calls_in_the_order_in_which_they_were_made) {
  const auto number = task("number", [next = 0]() mutable { return next++; });
  pool pool(watched({.workers = 1}), number);
  std::vector<future<int>> calls;
  for (int i = 0; i < 5000; ++i) calls.push_back(pool.call(number));
  for (int i = 0; i < 5000; ++i) ASSERT_EQ(calls[static_cast<std::size_t>(i)].get(), i);
}

TEST_F(order, payloads_of_every_size_keep_the_order_of_their_lane) {
  tests::random_source random;
  const auto number = task("number", [next = 0](std::string_view) mutable { return next++; });
  pool pool(watched({.workers = 1, .arena = {.initial = 64_KiB, .maximum = 64_KiB}, .payload_cap = 64_KiB}), number);
  std::vector<future<int>> calls;
  for (int i = 0; i < 2000; ++i)
    calls.push_back(pool.call(number, std::string(random.below(random.one_in(4) ? 40'000 : 200), 'x')));
  for (int i = 0; i < 2000; ++i) ASSERT_EQ(calls[static_cast<std::size_t>(i)].get(), i);
}

TEST_F(order, an_abort_in_the_middle_of_the_queue_does_not_reorder_the_others) {
  const gate gate;
  const auto number = task("number", [&gate, next = 0]() mutable {
    gate.pass();
    return next++;
  });
  pool pool(watched({.workers = 1, .depth = {.maximum = 1}}), number);
  std::vector<future<int>> calls;
  for (int i = 0; i < 100; ++i) calls.push_back(pool.call(number));
  ASSERT_TRUE(holds_in_the_end([&] { return gate.arrived() == 1; }));
  for (std::size_t i = 1; i < 100; i += 2) calls[i].abort();
  gate.open();
  for (std::size_t i = 0; i < 100; ++i) {
    const auto outcome = calls[i].result();
    if (i % 2 == 0) {
      ASSERT_TRUE(outcome.has_value()) << outcome.error().what();
      EXPECT_EQ(*outcome, static_cast<int>(i / 2));
    } else {
      EXPECT_EQ(code_of(outcome), errc::aborted);
    }
  }
}

// "a call settles exactly once, whatever combination of result, timeout, abort, crash and shutdown races for it": the
// ledger of the fixture counts.
TEST_F(order, one_outcome_whatever_races_for_it) {
  tests::random_source random;
  const auto risky = task("risky", [](abort_signal stop, int kind, int us) {
    switch (kind) {
      case 0:
        ::raise(SIGKILL);
        break;
      case 1:
        ::_exit(3);
      case 2:
        stop.wait_for(std::chrono::microseconds(us));
        break;
      default:
        ::usleep(static_cast<unsigned>(us));
        break;
    }
    return us;
  });
  std::vector<future<int>> left;
  for (int round = 0; round < 4; ++round) {
    pool pool(watched({.workers = 3, .timeout = 3ms, .grace = 1ms}), risky);
    std::vector<future<int>> calls;
    for (int i = 0; i < 120; ++i) {
      const int kind = random.one_in(20) ? static_cast<int>(random.below(2)) : 2 + static_cast<int>(random.below(2));
      calls.push_back(pool.call(risky, kind, static_cast<int>(random.below(6000))));
      if (random.one_in(4)) calls[random.below(calls.size())].abort();
      if (random.one_in(16)) calls[random.below(calls.size())] = pool.call(risky, 3, 1);
    }
    if (round % 2 == 0) {
      for (auto& call : calls) {
        const errc code = code_of(call.result());
        EXPECT_THAT(code, AnyOf(errc{}, errc::crashed, errc::exited, errc::timed_out, errc::aborted, errc::quarantined))
            << to_string(code);
      }
    } else {
      for (auto& call : calls) left.push_back(std::move(call));
    }
  }
  for (auto& call : left) EXPECT_TRUE(call.ready());
}

// "a late answer never settles a reused slot": calls that are dropped while they run leave answers that nobody waits
// for.
TEST_F(order, answers_that_nobody_wants_never_reach_another_call) {
  tests::random_source random;
  const auto echo = task("echo", [](int us, int id) {
    ::usleep(static_cast<unsigned>(us));
    return id;
  });
  pool pool(watched({.workers = 2}), echo);
  for (int i = 0; i < 2000; ++i) {
    (void)pool.call(echo, static_cast<int>(random.below(50)), -1);  // dropped at once
    ASSERT_EQ(pool.call(echo, 0, i).get(), i);
  }
}

// "aborting with no reason keeps the result if it came first"
TEST_F(order, an_abort_after_the_end_changes_nothing) {
  pool pool(watched({.workers = 1}), add);
  auto call = pool.call(add, 1, 2);
  call.wait();
  call.abort();
  call.abort();
  EXPECT_EQ(call.get(), 3);
}

TEST_F(order, an_abort_that_the_task_does_not_look_at_keeps_its_result) {
  const gate gate;
  const auto held = task("held", [&gate](int value) {
    gate.pass();
    return value;
  });
  pool pool(watched({.workers = 1}), held);
  auto call = pool.call(held, 5);
  ASSERT_TRUE(holds_in_the_end([&] { return gate.arrived() == 1; }));
  call.abort();
  gate.open();
  EXPECT_EQ(call.get(), 5);
  EXPECT_EQ(pool.stats().restarts.aborted, 0u);
}

TEST_F(order, an_abort_raises_the_signal_of_a_running_call) {
  const gate gate;
  const auto patient = task("patient", [&gate](abort_signal stop) {
    gate.pass();
    return stop.wait_for(1h) ? std::string("told to stop") : std::string("not told");
  });
  pool pool(watched({.workers = 1}), patient);
  auto call = pool.call(patient);
  gate.open();
  ASSERT_TRUE(holds_in_the_end([&] { return gate.arrived() == 1; }));
  call.abort();
  EXPECT_EQ(call.get(), "told to stop");
}

TEST_F(order, a_task_that_throws_at_its_abort_is_reported_as_aborted_by_its_own_word) {
  const gate gate;
  const auto patient = task("patient", [&gate](abort_signal stop) {
    gate.pass();
    stop.wait_for(1h);
    stop.throw_if_requested();
  });
  pool pool(watched({.workers = 1}), patient);
  auto call = pool.call(patient);
  gate.open();
  ASSERT_TRUE(holds_in_the_end([&] { return gate.arrived() == 1; }));
  call.abort();
  EXPECT_THAT(code_of(call.result()), AnyOf(errc::aborted, errc::task_failed));
}

TEST_F(order, an_abort_with_a_grace_kills_what_does_not_listen) {
  const gate gate;
  const auto deaf = task("deaf", [&gate] { gate.pass(); });
  pool pool(watched({.workers = 1}), deaf, add);
  auto call = pool.call_with({.grace = 5ms}, deaf);
  ASSERT_TRUE(holds_in_the_end([&] { return gate.arrived() == 1; }));
  call.abort();
  EXPECT_EQ(code_of(call.result()), errc::aborted);
  EXPECT_EQ(pool.call(add, 1, 2).get(), 3);
  EXPECT_EQ(pool.stats().restarts.aborted, 1u);
}

TEST_F(order, an_abort_before_the_start_means_that_the_task_never_runs) {
  const gate gate;
  const shared_words ran(1);
  const auto held = task("held", [&gate] { gate.pass(); });
  const auto counted = task("counted", [&ran] { ran[0].fetch_add(1); });
  pool pool(watched({.workers = 1}), held, counted);  // as deep as it likes: some wait in the lane, some in the queue
  auto first = pool.call(held);
  ASSERT_TRUE(holds_in_the_end([&] { return gate.arrived() == 1; }));
  std::vector<future<void>> calls;
  for (int i = 0; i < 200; ++i) calls.push_back(pool.call(counted));
  for (auto& call : calls) call.abort();
  for (auto& call : calls) {
    EXPECT_TRUE(call.ready());
    EXPECT_EQ(code_of(call.result()), errc::aborted);
  }
  gate.open();
  first.get();
  pool.call(held).get();
  EXPECT_EQ(ran[0], 0u);
}

// "abort capacity is given back every time (a predecessor leaks it and then refuses all calls)"
TEST_F(order, ten_thousand_aborts_leave_a_pool_with_all_its_room) {
  pool pool(watched({.workers = 2, .queue = 64}), add);
  for (int i = 0; i < 10'000; ++i) {
    auto call = pool.call(add, i, 1);
    call.abort();
    EXPECT_THAT(code_of(call.result()), AnyOf(errc{}, errc::aborted));
  }
  const pool_stats idle = pool.stats();
  EXPECT_EQ(idle.queued, 0u);
  expect_usable(pool);
}

TEST_F(order, dropped_calls_give_back_their_slots_and_their_arena) {
  const auto length = task("length", [](std::string_view text) { return text.size(); });
  pool pool(watched({.workers = 1, .arena = {.initial = 64_KiB, .maximum = 64_KiB}, .payload_cap = 60_KiB}), length);
  for (int i = 0; i < 2000; ++i) (void)pool.call(length, std::string(50'000, 'x'));
  EXPECT_EQ(pool.call(length, std::string((60_KiB).count, 'y')).get(), (60_KiB).count);
}

TEST_F(order, a_stop_request_aborts_the_calls_that_were_given_its_token) {
  const gate gate;
  const auto patient = task("patient", [&gate](abort_signal stop) {
    gate.pass();
    return stop.wait_for(1h);
  });
  pool pool(watched({.workers = 1, .depth = {.maximum = 1}}), patient, add);
  std::stop_source stop;
  auto running = pool.call_with({.stop = stop.get_token()}, patient);
  auto waiting = pool.call_with({.stop = stop.get_token()}, patient);
  auto other = pool.call(add, 1, 2);
  gate.open();
  ASSERT_TRUE(holds_in_the_end([&] { return gate.arrived() == 1; }));
  stop.request_stop();
  EXPECT_TRUE(running.get());
  EXPECT_EQ(code_of(waiting.result()), errc::aborted);
  EXPECT_EQ(other.get(), 3);
}

TEST_F(order, a_call_whose_token_was_stopped_before_never_runs) {
  const shared_words ran(1);
  const auto counted = task("counted", [&ran] { ran[0].fetch_add(1); });
  pool pool(watched({.workers = 1}), counted);
  std::stop_source stop;
  stop.request_stop();
  for (int i = 0; i < 200; ++i)
    EXPECT_EQ(code_of(pool.call_with({.stop = stop.get_token()}, counted).result()), errc::aborted);
  pool.call(counted).get();
  EXPECT_EQ(ran[0], 1u);
}

TEST_F(order, stop_requests_race_with_settling) {
  const auto echo = task("echo", [](int value) { return value; });
  pool pool(watched({.workers = 2}), echo);
  for (int round = 0; round < 300; ++round) {
    std::stop_source stop;
    std::vector<future<int>> calls;
    for (int i = 0; i < 10; ++i) calls.push_back(pool.call_with({.stop = stop.get_token()}, echo, i));
    std::thread stopper([&] { stop.request_stop(); });
    for (auto& call : calls) EXPECT_THAT(code_of(call.result()), AnyOf(errc{}, errc::aborted));
    stopper.join();
  }
}

}  // namespace
}  // namespace selvage::test

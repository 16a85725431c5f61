// The inline lane: calls run by the threads that wait for them, in this process. A caller that the machine keeps from
// waiting for some milliseconds leaves its call to the workers: what must run here is called until it does.

#include <stdexcept>

#include "tests/support/pool_fixture.hpp"
#include "tests/support/shared_words.hpp"

namespace selvage::test {
namespace {

using inline_lane = pool_survives;
using position = inline_options::position;

const auto where_am_i = task("where_am_i", [] { return static_cast<std::int64_t>(::getpid()); });
const auto nap = task("nap", [](int ms) {
  ::usleep(static_cast<useconds_t>(ms) * 1000);
  return ms;
});
const auto refuse = task("refuse", [](int n) -> int { throw std::invalid_argument("not " + std::to_string(n)); });
const auto until_told = task("until_told", [](abort_signal stop) { return stop.wait_for(20s); });

TEST_F(inline_lane, runs_nothing_here_unless_it_is_asked_for) {
  pool pool(watched({.workers = 1}), where_am_i);
  for (int i = 0; i < 50; ++i) EXPECT_NE(pool.call(where_am_i).get(), ::getpid());
  EXPECT_EQ(pool.stats().ran_inline, 0U);
}

TEST_F(inline_lane, that_is_first_runs_a_call_on_the_thread_that_waits) {
  pool pool(watched({.workers = 1, .inline_lane = {.where = position::first}}), where_am_i);
  EXPECT_TRUE(holds_in_the_end([&] { return pool.call(where_am_i).get() == ::getpid(); }));
  EXPECT_EQ(pool.stats().ran_inline, 1U);
}

TEST_F(inline_lane, leaves_calls_below_its_threshold_to_the_workers) {
  const gate gate;
  const auto held = task("held", [&gate] {
    gate.pass();
    return static_cast<std::int64_t>(::getpid());
  });
  pool pool(watched({.workers = 1, .inline_lane = {.where = position::first, .threshold = 3}}), where_am_i, held);
  auto first = pool.call(held);
  auto second = pool.call(held);
  EXPECT_TRUE(holds_in_the_end([&] {
    auto call = pool.call(where_am_i);
    return call.wait_for(100ms) && call.get() == ::getpid();  // else the worker has it, behind the gate
  }));
  gate.open();
  EXPECT_NE(first.get(), ::getpid());
  EXPECT_NE(second.get(), ::getpid());
}

TEST_F(inline_lane, that_is_last_runs_only_what_no_worker_has_room_for) {
  const gate gate;
  const auto held = task("held", [&gate] {
    gate.pass();
    return 300;
  });
  pool pool(watched({.workers = 1, .depth = {.maximum = 1}, .inline_lane = {.where = position::last}}), where_am_i,
            held);
  auto busy = pool.call(held);
  EXPECT_EQ(pool.call(where_am_i).get(), ::getpid());
  gate.open();
  EXPECT_EQ(busy.get(), 300);
  EXPECT_EQ(pool.stats().ran_inline, 1U);
}

TEST_F(inline_lane, carries_an_exception_like_a_worker_does) {
  pool pool(watched({.workers = 1, .inline_lane = {.where = position::first}}), refuse);
  const auto outcome = pool.call(refuse, 7).result();
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code(), errc::task_failed);
  EXPECT_EQ(outcome.error().details().exception_type, "std::invalid_argument");
  EXPECT_EQ(outcome.error().details().message, "not 7");
}

TEST_F(inline_lane, raises_the_abort_signal_at_the_timeout_because_nothing_can_be_killed) {
  pool pool(watched({.workers = 1, .timeout = 20ms, .inline_lane = {.where = position::first}}), until_told);
  // On a worker it is killed at its timeout.
  EXPECT_TRUE(holds_in_the_end([&] { return pool.call(until_told).result().value_or(false); }));
}

TEST_F(inline_lane, gives_calls_that_nobody_waits_for_to_the_workers) {
  pool pool(watched({.workers = 1, .inline_lane = {.where = position::first}}), where_am_i);
  auto call = pool.call(where_am_i);
  for (int i = 0; i < 10'000 && !call.ready(); ++i) ::usleep(1000);
  ASSERT_TRUE(call.ready());
  EXPECT_NE(call.get(), ::getpid());
}

TEST_F(inline_lane, settles_everything_when_the_pool_closes) {
  std::vector<future<int>> calls;
  {
    pool pool(watched({.workers = 1, .inline_lane = {.where = position::first, .batch = 64}}), nap);
    for (int i = 0; i < 40; ++i) calls.push_back(pool.call(nap, 50));
  }
  for (auto& call : calls) {
    const auto outcome = call.result();
    EXPECT_TRUE(outcome || outcome.error().code() == errc::pool_closed);
  }
}

}  // namespace
}  // namespace selvage::test

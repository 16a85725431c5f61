// BEHAVIOURS, "Order and settling" and "Crowding", for callers on many threads: whoever waits collects for everybody,
// and hands over when it leaves. Every test here would hang, not fail, where a wake-up is lost: the fixture ends it by
// name.

#include <sys/resource.h>

#include <atomic>
#include <optional>
#include <thread>

#include "tests/support/pool_fixture.hpp"
#include "tests/support/random.hpp"
#include "tests/support/shared_words.hpp"

namespace selvage::test {
namespace {

class many_threads : public pool_survives {};

/// Runs `body(0)` to `body(count - 1)` on threads of their own and waits for them.
template <class Body>
void on_threads(unsigned count, Body body) {
  std::vector<std::jthread> threads;
  for (unsigned i = 0; i < count; ++i) threads.emplace_back([&body, i] { body(i); });
}

TEST_F(many_threads, calls_from_eight_threads_each_get_their_own_answer) {
  pool pool(watched({.workers = 2}), add);
  std::atomic<int> wrong{0};
  on_threads(8, [&](unsigned thread) {
    for (int i = 0; i < 2000; ++i) {
      const int mine = static_cast<int>(thread) * 100'000 + i;
      if (pool.call(add, mine, 1).get() != mine + 1) ++wrong;
    }
  });
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(pool.stats().succeeded, 16'000u);
}

TEST_F(many_threads, eight_threads_wait_for_calls_that_end_in_any_order) {
  tests::random_source random;
  const auto nap = task("nap", [](int us, int id) {
    ::usleep(static_cast<unsigned>(us));
    return id;
  });
  pool pool(watched({.workers = 4}), nap);
  std::vector<std::uint64_t> seeds;
  for (int i = 0; i < 8; ++i) seeds.push_back(random.bits());
  std::atomic<int> wrong{0};
  on_threads(8, [&](unsigned thread) {
    tests::random_source mine(seeds[thread]);
    for (int i = 0; i < 100; ++i) {
      const int id = static_cast<int>(mine.below(1'000'000));
      if (pool.call(nap, static_cast<int>(mine.below(300)), id).get() != id) ++wrong;
    }
  });
  EXPECT_EQ(wrong, 0);
}

// The collector settles its own call and a sleeper's at one time, and leaves: the seat must go to one that still waits.
TEST_F(many_threads, the_seat_is_never_left_to_a_thread_that_has_its_answer) {
  const auto echo = task("echo", [](int value) { return value; });
  pool pool(watched({.workers = 1, .spin = {.host = 0ns}}), echo);
  for (int round = 0; round < 200; ++round) {
    std::vector<future<int>> calls;
    for (int i = 0; i < 6; ++i) calls.push_back(pool.call(echo, i));
    std::atomic<int> right{0};
    on_threads(6, [&](unsigned i) { right += calls[i].get() == static_cast<int>(i) ? 1 : 0; });
    ASSERT_EQ(right, 6);
  }
}

TEST_F(many_threads, a_thread_that_waits_for_a_bounded_time_hands_over_when_it_gives_up) {
  const gate gate;
  const auto held = task("held", [&gate](int value) {
    gate.pass();
    return value;
  });
  pool pool(watched({.workers = 2, .depth = {.maximum = 1}}), held, add);
  auto slow = pool.call(held, 7);
  std::atomic<bool> impatient_left{false};
  std::jthread impatient([&] {
    auto never = pool.call(held, 8);
    EXPECT_FALSE(never.wait_for(30ms));
    impatient_left = true;
    never.detach();
  });
  std::jthread patient([&] { EXPECT_EQ(slow.get(), 7); });
  impatient.join();
  EXPECT_TRUE(impatient_left);
  gate.open();
  patient.join();
}

TEST_F(many_threads, a_full_queue_takes_the_next_call_as_soon_as_a_queued_one_is_aborted) {
  const gate gate;
  const auto held = task("held", [&gate](int value) {
    gate.pass();
    return value;
  });
  pool pool(watched({.workers = 1, .queue = 1, .depth = {.maximum = 1}}), held);
  auto running = pool.call(held, 1);
  auto queued = pool.call(held, 2);
  std::jthread collector([&] { EXPECT_EQ(running.get(), 1); });
  std::atomic<bool> accepted{false};
  std::jthread waiting([&] {
    auto third = pool.call(held, 3);
    accepted = true;
    EXPECT_EQ(third.get(), 3);
  });
  ::usleep(50'000);
  EXPECT_FALSE(accepted);
  queued.abort();
  EXPECT_TRUE(holds_in_the_end([&] { return accepted.load(); }));
  EXPECT_EQ(code_of(queued.result()), errc::aborted);
  gate.open();
  collector.join();
  waiting.join();
}

TEST_F(many_threads, a_full_queue_blocks_eight_callers_and_loses_nothing) {
  pool pool(watched({.workers = 1, .queue = 2}), add);
  std::atomic<int> wrong{0};
  on_threads(8, [&](unsigned) {
    std::vector<future<int>> calls;
    for (int i = 0; i < 300; ++i) calls.push_back(pool.call(add, i, i));
    for (int i = 0; i < 300; ++i) wrong += calls[static_cast<std::size_t>(i)].get() == 2 * i ? 0 : 1;
  });
  EXPECT_EQ(wrong, 0);
}

TEST_F(many_threads, a_thread_in_get_may_see_the_pool_destroyed) {
  const gate gate;
  const auto held = task("held", [&gate] { gate.pass(); });
  std::optional<pool> pool(std::in_place, watched({.workers = 2}), held);
  std::vector<future<void>> calls;
  for (int i = 0; i < 6; ++i) calls.push_back(pool->call(held));
  std::atomic<int> closed{0};
  std::jthread destroyer([&] {
    ::usleep(30'000);
    pool.reset();
  });
  on_threads(6, [&](unsigned i) { closed += code_of(calls[i].result()) == errc::pool_closed ? 1 : 0; });
  destroyer.join();
  EXPECT_EQ(closed, 6);
}

TEST_F(many_threads, waiting_threads_use_no_processor_while_a_long_call_runs) {
  const gate gate;
  const auto held = task("held", [&gate] { gate.pass(); });
  pool pool(watched({.workers = 1, .depth = {.maximum = 1}}), held);
  std::vector<future<void>> calls;
  for (int i = 0; i < 4; ++i) calls.push_back(pool.call(held));
  std::vector<std::jthread> threads;
  for (auto& each : calls) threads.emplace_back([&each] { each.get(); });
  ::usleep(100'000);
  // Every wake-up that an abort causes, the waiting threads sleep again.
  for (int i = 0; i < 40; ++i) pool.call(held).abort();
  ::usleep(100'000);
  rusage before{};
  rusage after{};
  ::getrusage(RUSAGE_SELF, &before);
  ::usleep(1'000'000);
  ::getrusage(RUSAGE_SELF, &after);
  EXPECT_LT((after.ru_nvcsw + after.ru_nivcsw) - (before.ru_nvcsw + before.ru_nivcsw), 50);
  gate.open();
  for (std::jthread& each : threads) each.join();
}

}  // namespace
}  // namespace selvage::test

// BEHAVIOURS, "Death": a killed worker is replaced and the next call on its lane works; calls elsewhere are untouched;
// closing right after a kill is safe.

#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "tests/support/pool_fixture.hpp"
#include "tests/support/shared_words.hpp"

namespace selvage::test {
namespace {

class death : public pool_survives {
 protected:
  /// Kills the one worker of a pool and waits until the kernel says that it is gone.
  static void kill_worker(const pool& pool) {
    const int pid = worker_pids(pool).at(0);
    ::kill(pid, SIGKILL);
    EXPECT_TRUE(holds_in_the_end([&] { return is_gone(pid); }));
  }
};

// "the next call on its lane works (a predecessor hangs for ever on every second call)"
TEST_F(death, every_call_after_a_kill_works_on_the_same_lane) {
  pool pool(watched({.workers = 1}), add);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(pool.call(add, i, 1).get(), i + 1);
    kill_worker(pool);
    EXPECT_EQ(pool.call(add, i, 2).get(), i + 2);
  }
}

// The call itself sees what the supervisor had to say long ago: that must not keep the waiting thread from acting on
// it.
TEST_F(death, a_call_long_after_an_idle_worker_was_killed_works) {
  pool pool(watched({.workers = 1}), add);
  for (int i = 0; i < 3; ++i) {
    kill_worker(pool);
    ::usleep(200'000);
    EXPECT_EQ(pool.call(add, i, 2).get(), i + 2);
  }
}

TEST_F(death, a_worker_that_dies_while_its_arguments_are_being_written_costs_nobody_anything) {
  const auto length = task("length", [](std::string_view text) { return text.size(); });
  pool pool(watched({.workers = 1}), length, add);
  for (int round = 0; round < 5; ++round) {
    const std::size_t size = 100'000;
    auto call = pool.call(length, in_place(size, [&](std::span<std::byte> out) {
                            std::fill(out.begin(), out.end(), std::byte{'x'});
                            kill_worker(pool);
                            // Somebody else sees the death while these bytes are still being written.
                            std::thread([&] { EXPECT_FALSE(pool.call(add, 1, 2).wait_for(20ms)); }).join();
                            ::usleep(50'000);
                          }));
    EXPECT_EQ(call.get(), size);
    EXPECT_EQ(pool.call(add, 1, 2).get(), 3);
  }
}

// "calls in flight elsewhere are untouched (a predecessor rejects all)"
TEST_F(death, a_kill_touches_only_the_call_that_ran_there) {
  const gate gate;
  const auto pid_of = task("pid_of", [&gate] {
    gate.pass();
    return static_cast<int>(::getpid());
  });
  pool pool(watched({.workers = 3, .balancer = balance::round_robin, .depth = {.maximum = 1}}), pid_of);
  std::vector<future<int>> calls;
  for (int i = 0; i < 3; ++i) calls.push_back(pool.call(pid_of));
  ASSERT_TRUE(holds_in_the_end([&] { return gate.arrived() == 3; }));
  const std::vector<int> pids = worker_pids(pool);
  ::kill(pids[1], SIGKILL);
  EXPECT_FALSE(calls[0].wait_for(50ms));
  gate.open();
  EXPECT_EQ(calls[0].get(), pids[0]);
  EXPECT_EQ(code_of(calls[1].result()), errc::crashed);
  EXPECT_EQ(calls[2].get(), pids[2]);
}

// "shutting down right after a kill with calls outstanding is safe (a predecessor's host segfaults)"
TEST_F(death, closing_right_after_a_kill_settles_every_call) {
  const gate gate;
  const auto held = task("held", [&gate](int value) {
    gate.pass();
    return value;
  });
  for (int round = 0; round < 20; ++round) {
    std::vector<future<int>> calls;
    {
      pool pool(watched({.workers = 2}), held);
      for (int i = 0; i < 100; ++i) calls.push_back(pool.call(held, i));
      for (const int pid : worker_pids(pool)) ::kill(pid, SIGKILL);
      if (round % 2 == 0) pool.shutdown();
    }
    for (auto& call : calls) {
      ASSERT_TRUE(call.ready());
      EXPECT_THAT(code_of(call.result()), ::testing::AnyOf(errc::pool_closed, errc::crashed));
    }
  }
}

TEST_F(death, a_view_that_is_held_over_its_workers_death_still_shows_its_bytes) {
  const auto big = task("big", [](int letter) { return std::string(100'000, static_cast<char>(letter)); });
  pool pool(watched({.workers = 2, .balancer = balance::round_robin}), big, add);
  const trusted_view first = pool.call_trusted(big, 'a').get();
  const trusted_view second = pool.call_trusted(big, 'b').get();
  for (const int pid : worker_pids(pool)) ::kill(pid, SIGKILL);
  ::usleep(50'000);
  EXPECT_FALSE(pool.call(add, 1, 2).wait_for(100ms)) << "no lane is opened again under a view";
  EXPECT_EQ(first.text(), std::string(100'000, 'a'));
  EXPECT_EQ(second.text(), std::string(100'000, 'b'));
}

TEST_F(death, a_lane_is_opened_again_when_the_last_view_of_a_dead_worker_is_given_back) {
  const auto big = task("big", [](int letter) { return std::string(100'000, static_cast<char>(letter)); });
  pool pool(watched({.workers = 1}), big, add);
  for (int round = 0; round < 3; ++round) {
    trusted_view view = pool.call_trusted(big, 'a').get();
    trusted_view other = pool.call_trusted(big, 'b').get();
    kill_worker(pool);
    auto next = pool.call(add, 1, round);
    EXPECT_FALSE(next.wait_for(50ms));
    view = {};
    EXPECT_FALSE(next.wait_for(50ms));
    EXPECT_EQ(other.text(), std::string(100'000, 'b'));
    other = {};
    EXPECT_EQ(next.get(), 1 + round);
  }
}

}  // namespace
}  // namespace selvage::test

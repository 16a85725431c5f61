// Which worker really gets a call, and DESIGN D9: no call waits behind a running one while another worker is idle.

#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>

#include "tests/support/pool_fixture.hpp"
#include "tests/support/shared_words.hpp"

namespace selvage::test {
namespace {

class balancing : public pool_survives {
 protected:
  /// How many of `count` calls, one after another, each worker ran.
  static std::map<int, int> ran_by(pool& pool, const task<int (*)()>& who, int count) {
    std::map<int, int> calls;
    for (int i = 0; i < count; ++i) ++calls[pool.call(who).get()];
    return calls;
  }
  /// Which worker is awake at first is chance: once all sleep, the first is the one that is woken.
  static void wait_until_all_sleep(const pool& pool) {
    const auto sleeps = [](int pid) {
      std::string state;
      std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
      stat.ignore(1000, ')');
      return stat >> state && state == "S";
    };
    EXPECT_TRUE(holds_in_the_end([&] { return std::ranges::all_of(worker_pids(pool), sleeps); }));
  }
  static int own_pid() { return ::getpid(); }
  const task<int (*)()> who_{"who", &own_pid};
};

TEST_F(balancing, first_idle_keeps_one_worker_warm) {
  pool pool(watched({.workers = 3}), who_);
  wait_until_all_sleep(pool);
  const auto calls = ran_by(pool, who_, 60);
  EXPECT_EQ(calls.size(), 1U);
  EXPECT_EQ(calls.begin()->first, worker_pids(pool)[0]);
}

TEST_F(balancing, first_idle_takes_the_next_where_the_first_is_busy) {
  const gate gate;
  const auto held = task("held", [&gate] {
    gate.pass();
    return own_pid();
  });
  pool pool(watched({.workers = 3}), held, who_);
  wait_until_all_sleep(pool);
  std::vector<future<int>> busy;
  for (int i = 0; i < 2; ++i) busy.push_back(pool.call(held));
  ASSERT_TRUE(holds_in_the_end([&] { return gate.arrived() == 2; }));
  const std::vector<int> pids = worker_pids(pool);
  EXPECT_EQ(ran_by(pool, who_, 30), (std::map<int, int>{{pids[2], 30}}));
  gate.open();
  EXPECT_EQ(busy[0].get(), pids[0]);
  EXPECT_EQ(busy[1].get(), pids[1]);
}

TEST_F(balancing, short_calls_are_refused_only_where_no_worker_has_room) {
  const auto quick = task("quick", [](int x) { return x; });
  pool pool(watched({.workers = 2, .queue = 8}), quick);
  for (int i = 0; i < 100; ++i) (void)pool.call(quick, i).get();
  wait_until_all_sleep(pool);
  for (const int pid : worker_pids(pool)) stop_process(pid);
  std::vector<future<int>> calls;
  for (int i = 0; i < 200; ++i) {
    if (auto call = pool.try_call(quick, i)) calls.push_back(std::move(*call));
  }
  EXPECT_EQ(calls.size(), 2U * 64U + 8U);
  for (const int pid : worker_pids(pool)) ::kill(pid, SIGCONT);
  for (auto& each : calls) EXPECT_TRUE(each.result());
}

TEST_F(balancing, round_robin_goes_round) {
  pool pool(watched({.workers = 3, .balancer = balance::round_robin}), who_);
  const std::vector<int> pids = worker_pids(pool);
  for (int i = 0; i < 60; ++i) ASSERT_EQ(pool.call(who_).get(), pids[static_cast<std::size_t>(i) % 3]);
}

TEST_F(balancing, random_reaches_every_worker) {
  pool pool(watched({.workers = 3, .balancer = balance::random}), who_);
  const auto calls = ran_by(pool, who_, 600);
  ASSERT_EQ(calls.size(), 3U);
  for (const auto& [pid, count] : calls) EXPECT_GT(count, 120) << pid;
}

TEST_F(balancing, first_idle_or_random_is_first_idle_while_there_is_one) {
  pool pool(watched({.workers = 3, .balancer = balance::first_idle_or_random}), who_);
  wait_until_all_sleep(pool);
  EXPECT_EQ(ran_by(pool, who_, 60).size(), 1U);
}

// D9: short calls that were posted behind a long one move to the worker that is idle.
TEST_F(balancing, calls_behind_a_long_one_move_to_an_idle_worker) {
  const gate gate;
  const auto maybe_long = task("maybe_long", [&gate](bool wait) {
    if (wait) gate.pass();
    return own_pid();
  });
  pool pool(watched({.workers = 2, .depth = {.maximum = 64, .window = 100us}}), maybe_long);
  wait_until_all_sleep(pool);
  for (int i = 0; i < 200; ++i) (void)pool.call(maybe_long, false).get();  // it is known as a short one
  auto held = pool.call(maybe_long, true);
  std::vector<future<int>> behind;
  for (int i = 0; i < 40; ++i) behind.push_back(pool.call(maybe_long, false));
  const std::vector<int> pids = worker_pids(pool);
  for (auto& call : behind) EXPECT_EQ(call.get(), pids[1]);  // while the first is still held up
  EXPECT_FALSE(held.ready());
  gate.open();
  EXPECT_EQ(held.get(), pids[0]);
}

TEST_F(balancing, calls_on_both_sides_of_a_long_one_are_recalled) {
  const gate gate;
  const auto maybe_long = task("maybe_long", [&gate](bool wait) {
    if (wait) gate.pass();
    return own_pid();
  });
  pool pool(watched({.workers = 2, .balancer = balance::round_robin, .depth = {.maximum = 64, .window = 1h}}),
            maybe_long);
  std::vector<future<int>> calls;
  auto held = pool.call(maybe_long, true);
  for (int i = 0; i < 100; ++i) calls.push_back(pool.call(maybe_long, false));  // every other one behind the long one
  for (auto& call : calls) EXPECT_EQ(call.get(), worker_pids(pool)[1]);
  const pool_stats stats = pool.stats();
  EXPECT_GT(stats.recalled, 0U);
  EXPECT_EQ(stats.moved, stats.recalled);
  gate.open();
  held.get();
}

TEST_F(balancing, a_recalled_call_runs_once) {
  const gate gate;
  const shared_words ran(200);
  const auto count = task("count", [&](int which, bool wait) {
    if (wait) gate.pass();
    ran[static_cast<std::size_t>(which)].fetch_add(1);
  });
  pool pool(watched({.workers = 2, .balancer = balance::round_robin, .depth = {.maximum = 64, .window = 1h}}), count);
  std::vector<future<void>> calls;
  calls.push_back(pool.call(count, 0, true));
  for (int i = 1; i < 200; ++i) calls.push_back(pool.call(count, i, false));
  for (std::size_t i = 1; i < calls.size(); ++i) calls[i].get();
  gate.open();
  calls[0].get();
  for (std::size_t i = 0; i < 200; ++i) EXPECT_EQ(ran[i], 1U) << i;
}

TEST_F(balancing, every_worker_is_used_when_all_calls_are_long) {
  // `random` may choose one worker twice: then the second call is taken back for an idle one.
  for (const balance rule :
       {balance::first_idle, balance::round_robin, balance::random, balance::first_idle_or_random}) {
    const gate gate;
    const auto held = task("held", [&gate] {
      gate.pass();
      return own_pid();
    });
    pool pool(watched({.workers = 4, .balancer = rule}), held);
    std::vector<future<int>> calls;
    for (int i = 0; i < 4; ++i) calls.push_back(pool.call(held));
    EXPECT_TRUE(holds_in_the_end([&] {
      (void)calls[0].wait_for(1ms);
      return gate.arrived() == 4;
    })) << static_cast<int>(rule);
    gate.open();
    std::set<int> pids;
    for (auto& call : calls) pids.insert(call.get());
    EXPECT_EQ(pids.size(), 4U);
  }
}

}  // namespace
}  // namespace selvage::test

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
    EXPECT_TRUE(holds_in_the_end([&] {
      const pool_stats now = pool.stats();
      return std::ranges::all_of(now.lanes, [&](const auto& lane) { return lane.ready && sleeps(lane.worker_pid); });
    }));
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
  // A worker that has done nothing for a millisecond is given no more: where this thread is stopped for so long, again.
  EXPECT_TRUE(holds_in_the_end([&] {
    pool pool(watched({.workers = 2, .queue = 8}), quick);
    for (int i = 0; i < 100; ++i) (void)pool.call(quick, i).get();
    wait_until_all_sleep(pool);
    for (const int pid : worker_pids(pool)) stop_process(pid);
    std::vector<future<int>> calls;
    for (int i = 0; i < 200; ++i) {
      if (auto call = pool.try_call(quick, i)) calls.push_back(std::move(*call));
    }
    for (const int pid : worker_pids(pool)) ::kill(pid, SIGCONT);
    for (auto& each : calls) EXPECT_TRUE(each.result());
    return calls.size() == 2U * 64U + 8U;
  }));
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
  for (auto& call : behind) (void)call.get();  // while the first is still held up
  EXPECT_FALSE(held.ready());
  gate.open();
  (void)held.get();
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
  for (auto& call : calls) (void)call.get();                                    // while the long one is held up
  EXPECT_FALSE(held.ready());
  const pool_stats stats = pool.stats();
  EXPECT_GT(stats.recalled, 0U);
  EXPECT_EQ(stats.moved, stats.recalled);
  gate.open();
  (void)held.get();
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

// ---- short calls that are kept for one worker -----------------------------------------------------------------------

class keeping : public balancing {
 protected:
  static constexpr std::size_t of_a_lane = 64;
  static auto quick() {
    return task("quick", [](int x) { return x; });
  }
  /// Keeps so many in flight, and takes answers only where each worker has had the time to be through with all it has.
  template <class Task>
  static void in_crowds(pool& pool, completion_queue<int>& done, const Task& task, std::size_t in_flight, int rounds) {
    for (int round = 0; round < rounds; ++round) {
      while (done.size() < in_flight) done.add(pool.call(task, round));
      ::usleep(300);
      done.wait();
      while (done.pop()) {
      }
    }
  }
  /// Returns: how many of them came; fewer than `calls` where no more come in a while.
  static std::size_t take(completion_queue<int>& done, std::size_t calls) {
    std::size_t came = 0;
    (void)holds_in_the_end([&] {
      done.wait_for(1ms);
      while (done.pop()) ++came;
      return came >= calls;
    });
    return came;
  }
  static std::vector<std::uint64_t> posted(const pool& pool) {
    std::vector<std::uint64_t> calls;
    for (const auto& lane : pool.stats().lanes) calls.push_back(lane.posted);
    return calls;
  }
};

TEST_F(keeping, short_calls_do_not_need_a_second_worker) {
  constexpr auto reads = 1'000;
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < reads; ++i) (void)std::chrono::steady_clock::now();
  const std::chrono::nanoseconds a_read = (std::chrono::steady_clock::now() - begin) / reads;
  if (a_read > 100ns) GTEST_SKIP() << "no call is short where a look at the clock takes " << a_read.count() << " ns";
  const auto task = quick();
  pool pool(watched({.workers = 2}), task);
  completion_queue<int> done(pool);
  // Where this thread is stopped for long the helper collects, which is faster.
  EXPECT_TRUE(holds_in_the_end([&] {
    const auto before = posted(pool);
    in_crowds(pool, done, task, 500, 40);
    const auto after = posted(pool);
    const std::uint64_t first = after[0] - before[0];
    const std::uint64_t second = after[1] - before[1];
    return std::min(first, second) < std::max(first, second) / 4;
  })) << "by turns they would have half each";
  const std::size_t left = done.size();
  EXPECT_EQ(take(done, left), left);
}

TEST_F(keeping, a_worker_that_stands_still_is_not_waited_for) {
  const auto task = quick();
  pool pool(watched({.workers = 2}), task);
  for (unsigned stopped = 0; stopped < 2; ++stopped) {
    completion_queue<int> done(pool);
    in_crowds(pool, done, task, 500, 20);
    stop_process(worker_pids(pool)[stopped]);
    while (done.size() < 500) done.add(pool.call(task, 1));
    EXPECT_GE(take(done, 500 - of_a_lane), 500 - of_a_lane);
    ::kill(worker_pids(pool)[stopped], SIGCONT);
    const std::size_t left = done.size();
    EXPECT_EQ(take(done, left), left);
  }
}

// FAILURES row 1: a death costs no call that had not been started, and nothing waits for the dead.
TEST_F(keeping, a_death_of_the_one_costs_no_call_that_was_not_started) {
  const auto task = quick();
  pool pool(watched({.workers = 2}), task);
  completion_queue<int> done(pool);
  in_crowds(pool, done, task, 500, 20);
  const int pid = worker_pids(pool)[0];
  stop_process(pid);
  while (done.size() < 500) done.add(pool.call(task, 1));
  ::kill(pid, SIGKILL);
  std::size_t failed = 0;
  std::size_t came = 0;
  EXPECT_TRUE(holds_in_the_end([&] {
    done.wait_for(1ms);
    while (auto next = done.pop()) {
      ++came;
      failed += next->result ? 0 : 1;
    }
    return came == 500;
  }));
  EXPECT_LE(failed, 1U);
}

}  // namespace
}  // namespace selvage::test

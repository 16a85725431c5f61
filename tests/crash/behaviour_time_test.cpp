// BEHAVIOURS, "Time" and "Crowding". No test asserts how long something took: what is late shows as a call that fails,
// and what burns a core shows in the kernel's counters.

#include <gmock/gmock.h>
#include <sys/resource.h>

#include <fstream>
#include <sstream>
#include <thread>

#include "tests/support/pool_fixture.hpp"
#include "tests/support/shared_words.hpp"

namespace selvage::test {
namespace {

class timing : public pool_survives {};

/// What a process has used so far, all of its threads together.
struct usage {
  std::uint64_t cpu_ticks = 0;
  std::uint64_t switches = 0;

  static usage of(int pid) {
    usage sum;
    std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
    std::string text((std::istreambuf_iterator<char>(stat)), {});
    std::istringstream after_name(text.substr(std::min(text.size(), text.rfind(')') + 1)));
    std::string skipped;
    for (int i = 0; i < 11; ++i) after_name >> skipped;
    std::uint64_t user = 0;
    std::uint64_t system = 0;
    after_name >> user >> system;
    sum.cpu_ticks = user + system;
    sum.switches = tests::context_switches::of_process(pid).all();
    return sum;
  }
  usage& operator+=(const usage& more) {
    cpu_ticks += more.cpu_ticks;
    switches += more.switches;
    return *this;
  }
};

/// This process, its pool's supervisor and the workers.
std::vector<int> processes_of(const pool& pool) {
  std::vector<int> all = worker_pids(pool);
  for (const int child : belongings::now().children) all.push_back(child);
  all.push_back(::getpid());
  return all;
}

/// What they use in a second in which the test does nothing.
usage in_one_idle_second(const std::vector<int>& pids) {
  const auto all = [&] {
    usage sum;
    for (const int pid : pids) sum += usage::of(pid);
    return sum;
  };
  const usage before = all();
  ::usleep(1'000'000);
  const usage after = all();
  return {after.cpu_ticks - before.cpu_ticks, after.switches - before.switches};
}

// "sixty 5 ms calls under a 100 ms limit all succeed (a predecessor kills the pool and loses forty)"; here all is
// slower by five, for loaded machines.
TEST_F(timing, a_limit_counts_from_the_start_of_the_run) {
  const auto nap = task("nap", [](int id) {
    ::usleep(25'000);
    return id;
  });
  pool pool(watched({.workers = 1, .timeout = 500ms}), nap);
  std::vector<future<int>> calls;
  for (int i = 0; i < 60; ++i) calls.push_back(pool.call(nap, i));
  for (int i = 0; i < 60; ++i) {
    const auto outcome = calls[static_cast<std::size_t>(i)].result();
    ASSERT_TRUE(outcome.has_value()) << i << ": " << outcome.error().what();
    EXPECT_EQ(*outcome, i);
  }
  EXPECT_EQ(pool.stats().restarts.timed_out, 0U);
}

TEST_F(timing, a_limit_counts_from_the_start_where_calls_are_posted_far_ahead) {
  const auto nap = task("nap", [](int id) {
    ::usleep(25'000);
    return id;
  });
  pool pool(watched({.workers = 1, .depth = {.maximum = 64, .window = 1h}, .timeout = 500ms}), nap);
  std::vector<future<int>> calls;
  for (int i = 0; i < 60; ++i) calls.push_back(pool.call(nap, i));
  for (auto& call : calls) EXPECT_EQ(code_of(call.result()), errc{});
}

// "A limit holds for code that never yields."
TEST_F(timing, a_limit_holds_for_code_that_never_yields) {
  const auto spin = task("spin", [] {
    volatile bool for_ever = true;
    while (for_ever) {
    }
  });
  pool pool(watched({.workers = 1}), spin, add);
  const auto outcome = pool.call_with({.timeout = 20ms}, spin).result();
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().code(), errc::timed_out);
  EXPECT_EQ(outcome.error().details().task, "spin");
  EXPECT_EQ(pool.call(add, 1, 2).get(), 3);
  EXPECT_EQ(pool.stats().restarts.timed_out, 1U);
}

TEST_F(timing, the_nearest_limit_wins_of_call_task_and_pool) {
  const gate gate;
  const auto held = task("held", [&gate] { gate.pass(); }, {.timeout = 1h});
  const auto short_held = task("short_held", [&gate] { gate.pass(); }, {.timeout = 20ms});
  pool pool(watched({.workers = 1, .timeout = 1h}), held, short_held);
  EXPECT_EQ(code_of(pool.call_with({.timeout = 20ms}, held).result()), errc::timed_out);
  EXPECT_EQ(code_of(pool.call(short_held).result()), errc::timed_out);
}

TEST_F(timing, a_grace_lets_the_task_end_by_itself) {
  const auto patient = task("patient", [](abort_signal stop) { return stop.wait_for(1h); });
  pool pool(watched({.workers = 1, .timeout = 20ms, .grace = 30s}), patient);
  EXPECT_TRUE(pool.call(patient).get());
  EXPECT_EQ(pool.stats().restarts.timed_out, 0U);
}

TEST_F(timing, a_call_of_an_expired_neighbour_is_not_charged) {
  const gate gate;
  const auto held = task("held", [&gate] { gate.pass(); });
  pool pool(watched({.workers = 1, .timeout = 30ms}), held, add);
  auto late = pool.call(held);
  std::vector<future<int>> behind;
  for (int i = 0; i < 30; ++i) behind.push_back(pool.call(add, i, 1));
  EXPECT_EQ(code_of(late.result()), errc::timed_out);
  for (int i = 0; i < 30; ++i) EXPECT_EQ(behind[static_cast<std::size_t>(i)].get(), i + 1);
}

// "Idle pools use no CPU at all, after a burst as well"
TEST_F(timing, an_idle_pool_uses_no_processor_after_a_burst) {
  pool pool(watched({.workers = 4}), add);
  for (int round = 0; round < 3; ++round) {
    std::vector<future<int>> calls;
    for (int i = 0; i < 3000; ++i) calls.push_back(pool.call(add, i, i));
    for (auto& call : calls) call.wait();
  }
  const std::vector<int> pids = processes_of(pool);
  EXPECT_EQ(pids.size(), 6U);  // four workers, the supervisor, and us
  ::usleep(300'000);           // the burst's last guests go to sleep
  const usage idle = in_one_idle_second(pids);
  EXPECT_LE(idle.cpu_ticks, 5U);  // of a hundred; the kernel gives some to whoever runs at a tick
  EXPECT_LE(idle.switches, 30U);
}

TEST_F(timing, a_pool_whose_answers_nobody_reads_sleeps_too) {
  pool pool(watched({.workers = 2}), add);
  std::vector<future<int>> calls;
  for (int i = 0; i < 1000; ++i) calls.push_back(pool.call(add, i, i));
  ::usleep(500'000);
  const usage idle = in_one_idle_second(processes_of(pool));
  EXPECT_LE(idle.cpu_ticks, 5U);  // of a hundred; the kernel gives some to whoever runs at a tick
  EXPECT_LE(idle.switches, 30U);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(calls[static_cast<std::size_t>(i)].get(), 2 * i);
}

TEST_F(timing, a_pool_that_only_waits_for_a_long_call_sleeps) {
  const auto patient = task("patient", [](abort_signal stop) { return stop.wait_for(1h); });
  pool pool(watched({.workers = 1, .timeout = 1h}), patient);
  auto call = pool.call(patient);
  std::thread waiting([&] { EXPECT_FALSE(call.wait_for(2s)); });
  ::usleep(300'000);
  const usage idle = in_one_idle_second(processes_of(pool));
  waiting.join();
  EXPECT_LE(idle.cpu_ticks, 5U);  // of a hundred; the kernel gives some to whoever runs at a tick
  EXPECT_LE(idle.switches, 30U);
}

// "another's keeps burning after shutdown": there is nobody left to burn, and this process sleeps.
TEST_F(timing, nothing_runs_after_shutdown) {
  pool pool(watched({.workers = 2}), add);
  pool.call(add, 1, 2).then([](const auto&) {});  // the helper thread was there
  pool.call(add, 1, 2).wait();
  pool.shutdown();
  EXPECT_TRUE(belongings::now().children.empty());
  EXPECT_EQ(belongings::now().threads, 1U);
  const usage idle = in_one_idle_second({::getpid()});
  EXPECT_LE(idle.cpu_ticks, 5U);  // of a hundred; the kernel gives some to whoever runs at a tick
}

// "A call into a pool that has been idle for milliseconds", "the result of a 5, 20 or 100 ms task": their times are
// measured by bench/ (idle_wake, late_result); here, that none of them needs anything but the wake-up.
TEST_F(timing, calls_after_idleness_and_results_after_milliseconds_need_no_poll) {
  const auto nap = task("nap", [](int ms) {
    ::usleep(static_cast<unsigned>(ms) * 1000);
    return ms;
  });
  pool pool(watched({.workers = 1}), nap);
  const auto switches = [] {
    rusage self{};
    ::getrusage(RUSAGE_SELF, &self);
    return self.ru_nvcsw;
  };
  for (const int ms : {5, 20, 100}) {
    ::usleep(5000);
    auto call = pool.call(nap, ms);
    const long before = switches();
    EXPECT_EQ(call.get(), ms);
    EXPECT_LE(switches() - before, 4) << "a waiting caller sleeps once, until it is woken";
  }
}

// "Two workers and a caller on two cores" is a figure of bench/ (two_workers_round_trip); here, that more workers than
// cores starve nobody.
TEST_F(timing, more_workers_than_cores_all_get_their_turn) {
  pool pool(watched({.workers = 16, .balancer = balance::round_robin}), add);
  for (int i = 0; i < 3200; ++i) ASSERT_EQ(pool.call(add, i, 1).get(), i + 1);
  for (const lane_stats& lane : pool.stats().lanes) EXPECT_EQ(lane.settled, 200U);
}

}  // namespace
}  // namespace selvage::test

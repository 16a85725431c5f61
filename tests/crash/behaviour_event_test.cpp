// What a pool tells: the trace hook's events, in order, and the figures of stats(). And recycling, which both show.

#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <mutex>

#include "tests/support/pool_fixture.hpp"
#include "tests/support/shared_words.hpp"

namespace selvage::test {
namespace {

class telling : public pool_survives {};

using ::testing::ElementsAre;

/// The events of a pool, copied.
class trace {
 public:
  struct entry {
    event_kind kind;
    std::uint64_t call_id, epoch, time_ns;
    std::string task;
    bool succeeded;
    errc code;
    int pid, signal, exit_status;
    unsigned lane;
  };
  [[nodiscard]] std::function<void(const event&)> hook() {
    return [this](const event& it) {
      const std::lock_guard hold(lock_);
      entries_.push_back({it.kind, it.call_id, it.epoch, it.time_ns, std::string(it.task), it.succeeded, it.code,
                          it.worker_pid, it.signal, it.exit_status, it.lane});
    };
  }
  [[nodiscard]] std::vector<entry> all() const {
    const std::lock_guard hold(lock_);
    return entries_;
  }
  [[nodiscard]] std::vector<event_kind> kinds() const {
    std::vector<event_kind> them;
    for (const entry& each : all()) them.push_back(each.kind);
    return them;
  }

 private:
  mutable std::mutex lock_;
  std::vector<entry> entries_;
};

TEST_F(telling, the_events_of_one_call_are_posted_started_and_settled_after_its_worker_started) {
  trace trace;
  pool pool(watched({.workers = 1, .on_event = trace.hook()}), add);
  (void)pool.call(add, 1, 2).get();
  EXPECT_THAT(trace.kinds(), ElementsAre(event_kind::worker_started, event_kind::call_posted, event_kind::call_started,
                                         event_kind::call_settled));
  const auto events = trace.all();
  EXPECT_EQ(events[0].epoch, 1U);
  EXPECT_EQ(events[3].pid, all_worker_pids(pool).at(0));
  EXPECT_EQ(events[1].task, "add");
  EXPECT_NE(events[1].call_id, 0U);
  for (const std::size_t i : {2U, 3U}) {
    EXPECT_EQ(events[i].call_id, events[1].call_id);
    EXPECT_EQ(events[i].task, "add");
    EXPECT_EQ(events[i].epoch, 1U);
  }
  EXPECT_TRUE(events[3].succeeded);
  for (const std::size_t i : {1U, 2U, 3U}) EXPECT_LE(events[i - 1].time_ns, events[i].time_ns);
}

TEST_F(telling, a_crash_is_a_death_a_failure_and_a_new_worker) {
  trace trace;
  const auto crasher = task("crasher", []() -> int {
    ::raise(SIGILL);
    return 0;
  });
  pool pool(watched({.workers = 1, .on_event = trace.hook()}), crasher, add);
  (void)pool.call(crasher).result();
  (void)pool.call(add, 1, 2).get();
  const auto events = trace.all();
  const auto find = [&](event_kind kind, int skip = 0) {
    return std::find_if(events.begin(), events.end(),
                        [&](const auto& each) { return each.kind == kind && skip-- == 0; });
  };
  const auto died = find(event_kind::worker_died);
  ASSERT_NE(died, events.end());
  EXPECT_EQ(died->signal, SIGILL);
  EXPECT_EQ(died->epoch, 1U);
  EXPECT_EQ(died->pid, events[0].pid);
  const auto started = find(event_kind::call_started);
  ASSERT_NE(started, events.end());
  EXPECT_EQ(started->task, "crasher");
  EXPECT_EQ(started->pid, events[0].pid);
  const auto settled = find(event_kind::call_settled);
  EXPECT_LT(started, settled);
  EXPECT_EQ(settled->epoch, 1U);
  EXPECT_EQ(settled->pid, events[0].pid);
  EXPECT_FALSE(settled->succeeded);
  EXPECT_EQ(settled->code, errc::crashed);
  EXPECT_EQ(settled->task, "crasher");
  const auto again = find(event_kind::worker_started, 1);
  ASSERT_NE(again, events.end());
  EXPECT_LT(died, again);
  EXPECT_GT(again->epoch, died->epoch);
  EXPECT_NE(again->pid, died->pid);
}

TEST_F(telling, an_exit_tells_its_status) {
  trace trace;
  const auto leaver = task("leaver", []() -> int { ::_exit(9); });
  pool pool(watched({.workers = 1, .on_event = trace.hook()}), leaver);
  (void)pool.call(leaver).result();
  const auto events = trace.all();
  const auto died =
      std::find_if(events.begin(), events.end(), [](const auto& each) { return each.kind == event_kind::worker_died; });
  ASSERT_NE(died, events.end());
  EXPECT_EQ(died->exit_status, 9);
  EXPECT_EQ(died->signal, 0);
}

TEST_F(telling, workers_are_recycled_by_calls_and_no_call_is_lost) {
  trace trace;
  const auto who = task("who", [] { return static_cast<int>(::getpid()); });
  const shared_words finalized(1);
  pool pool(watched({.workers = 2,
                     .recycle = {.calls = 50, .jitter = 0.2},
                     .finalizer = [&finalized] { finalized[0].fetch_add(1); },
                     .on_event = trace.hook()}),
            who);
  std::map<int, int> ran;
  std::vector<future<int>> calls;
  for (int i = 0; i < 2000; ++i) calls.push_back(pool.call(who));
  for (auto& call : calls) ++ran[call.get()];
  EXPECT_EQ(pool.stats().succeeded, 2000U);
  EXPECT_TRUE(holds_in_the_end([&] {
    (void)pool.call(who).get();  // so that somebody looks
    return finalized[0] == pool.stats().restarts.recycled_calls;
  })) << "each that was retired ran its finalizer";
  const pool_stats stats = pool.stats();
  EXPECT_EQ(stats.failed, 0U);
  EXPECT_GE(stats.restarts.recycled_calls, 10U);
  EXPECT_EQ(stats.restarts.crashed + stats.restarts.exited, 0U);
  const auto kinds = trace.kinds();
  EXPECT_EQ(static_cast<std::uint64_t>(std::count(kinds.begin(), kinds.end(), event_kind::worker_recycled)),
            stats.restarts.recycled_calls);
  for (const auto& [pid, count] : ran)
    EXPECT_LE(count, 50 + 10 + 64) << "a worker finishes what was posted to it, and no more";
}

TEST_F(telling, figures_add_up) {
  const auto thrower = task("thrower", [](int) -> int { throw 1; });
  pool pool(watched({.workers = 2}), add, thrower);
  for (int i = 0; i < 30; ++i) (void)pool.call(add, i, 1).get();
  for (int i = 0; i < 7; ++i) (void)pool.call(thrower, i).result();
  const pool_stats stats = pool.stats();
  EXPECT_EQ(stats.posted, 37U);
  EXPECT_EQ(stats.succeeded, 30U);
  EXPECT_EQ(stats.failed, 7U);
  EXPECT_EQ(stats.in_flight, 0U);
  EXPECT_EQ(stats.queued, 0U);
  ASSERT_EQ(stats.tasks.size(), 2U);
  EXPECT_EQ(stats.tasks[0].name, "add");
  EXPECT_EQ(stats.tasks[0].succeeded, 30U);
  EXPECT_EQ(stats.tasks[0].service.count(), 30U);
  EXPECT_EQ(stats.tasks[1].failed, 7U);
  ASSERT_EQ(stats.lanes.size(), 2U);
  EXPECT_EQ(stats.lanes[0].posted + stats.lanes[1].posted, 37U);
  EXPECT_EQ(stats.lanes[0].settled + stats.lanes[1].settled, 37U);
  for (const lane_stats& lane : stats.lanes) {
    EXPECT_TRUE(lane.ready);
    EXPECT_EQ(lane.epoch, 1U);
    EXPECT_GT(lane.worker_pid, 0);
    EXPECT_EQ(lane.bad_responses + lane.forged, 0U);
  }
}

TEST_F(telling, service_times_are_those_of_the_runs) {
  const auto nap = task("nap", [](int us) { ::usleep(static_cast<unsigned>(us)); });
  pool pool(watched({.workers = 1}), nap);
  for (int i = 0; i < 10; ++i) pool.call(nap, 20'000).get();
  const service_histogram service = pool.stats().tasks[0].service;
  EXPECT_EQ(service.count(), 10U);
  EXPECT_GE(service.quantile(0.01), 20ms);
}

TEST_F(telling, every_restart_is_counted_under_its_reason) {
  const auto crasher = task("crasher", [] { ::raise(SIGKILL); });
  const auto leaver = task("leaver", [] { ::_exit(0); });
  const auto stuck = task("stuck", [] { ::pause(); }, {.timeout = 10ms});
  pool pool(watched({.workers = 1}), crasher, leaver, stuck, add);
  for (int i = 0; i < 3; ++i) (void)pool.call(crasher).result();
  for (int i = 0; i < 2; ++i) (void)pool.call(leaver).result();
  (void)pool.call(stuck).result();
  EXPECT_EQ(pool.call(add, 1, 2).get(), 3);
  const restart_stats restarts = pool.stats().restarts;
  EXPECT_EQ(restarts.crashed, 3U);
  EXPECT_EQ(restarts.exited, 2U);
  EXPECT_EQ(restarts.timed_out, 1U);
  EXPECT_EQ(restarts.failed_starts, 0U);
  EXPECT_EQ(pool.stats().lanes[0].epoch, 7U);
}

}  // namespace
}  // namespace selvage::test

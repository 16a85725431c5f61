// Workers that are well and are replaced all the same, and the end of the pool.

#include <fcntl.h>

#include "base/syscalls.hpp"
#include "tests/crash/supervisor_rig.hpp"
#include "tests/support/processes.hpp"

namespace selvage::test {
namespace {

using shm::recycle_reason;
using shm::shutdown_order;
using shm::verdict_reason;

enum behaviour : std::uint16_t { answer, work_50_ms, eat_32_mb, spin, exit_zero };

void behave(scripted_worker& self) {
  self.open();
  self.serve([&](unsigned slot) {
    switch (self.lane.request(slot).task) {
      case work_50_ms:
        ::usleep(50'000);
        return;
      case eat_32_mb:
        (new std::vector<char>(std::size_t{32} << 20, 1))->at(7) = 2;
        return;
      case spin:
        for (;;) shm::spin_pause();
      case exit_zero:
        ::_exit(0);
      default:
        return;
    }
  });
}

recycle_reason why(const shm::verdict& said) { return static_cast<recycle_reason>(said.recycle); }

TEST(supervisor_retire, by_request_an_idle_worker_ends_and_is_replaced_at_once) {
  supervisor_rig rig({}, behave);
  for (int i = 0; i < 20; ++i) {
    rig.open(0);
    ASSERT_TRUE(rig.await_done(0, rig.post(0, {})));
    if (i % 2 != 0) ::usleep(2000);  // asleep, or just about to be
    rig.retire(0);
    const shm::verdict& said = rig.await_death(0);
    EXPECT_EQ(reason(said), verdict_reason::recycled);
    EXPECT_EQ(why(said), recycle_reason::calls);
    EXPECT_EQ(said.exit_status, 0);
  }
}

TEST(supervisor_retire, a_worker_that_misses_the_first_nudge_gets_another) {
  supervisor_rig rig({.retire_patience = 3600s}, [](scripted_worker& self) {
    self.open();
    const shm::watched_word bell = self.lane.doorbell();
    while (!self.told_to_retire()) ::usleep(100);
    ::usleep(5000);  // the first nudges come now, and change nothing that could be seen later
    shm::wait_on(*bell.word, bell.expected);
    ::_exit(0);
  });
  rig.open(0);
  rig.retire(0);
  EXPECT_EQ(reason(rig.await_death(0)), verdict_reason::recycled);
}

TEST(supervisor_retire, a_busy_worker_finishes_its_call_first) {
  supervisor_rig rig({}, behave);
  rig.open(0);
  const unsigned slot = rig.post(0, {.task = work_50_ms});
  ASSERT_TRUE(rig.await_started(0, slot));
  rig.retire(0);
  EXPECT_EQ(reason(rig.await_death(0)), verdict_reason::recycled);
  EXPECT_TRUE(shm::test(rig.lane(0).finished(), slot));
}

TEST(supervisor_retire, a_request_for_an_epoch_that_is_gone_retires_nobody) {
  supervisor_rig rig({}, behave);
  rig.open(0);
  rig.post(0, {.task = exit_zero});
  rig.await_death(0);
  rig.retire(0);  // names epoch 1
  rig.open(0);
  rig.ring();
  EXPECT_TRUE(rig.await_done(0, rig.post(0, {.task = work_50_ms})));
  EXPECT_EQ(rig.page(0).words.closed.load(), 1U);
}

TEST(supervisor_retire, a_worker_that_exits_with_zero_unasked_has_exited) {
  supervisor_rig rig({}, behave);
  rig.open(0);
  rig.post(0, {.task = exit_zero});
  EXPECT_EQ(reason(rig.await_death(0)), verdict_reason::exited);
}

TEST(supervisor_retire, a_call_that_exits_with_zero_while_its_worker_retires_has_exited_too) {
  supervisor_rig rig({}, [](scripted_worker& self) {
    self.open();
    self.serve([&](unsigned) {
      while (!self.told_to_retire()) ::usleep(100);
      ::_exit(0);
    });
  });
  rig.open(0);
  ASSERT_TRUE(rig.await_started(0, rig.post(0, {})));
  rig.retire(0);
  EXPECT_EQ(reason(rig.await_death(0)), verdict_reason::exited);
}

TEST(supervisor_retire, a_limit_holds_while_the_worker_retires) {
  supervisor_rig rig({}, behave);
  rig.open(0);
  ASSERT_TRUE(rig.await_started(0, rig.post(0, {.call_id = 5, .limit = 20ms, .task = spin})));
  rig.retire(0);
  const shm::verdict& said = rig.await_death(0);
  EXPECT_EQ(reason(said), verdict_reason::timed_out);
  EXPECT_EQ(said.call_id, 5U);
}

TEST(supervisor_retire, a_worker_that_hangs_in_its_finalizer_is_killed_after_the_patience) {
  supervisor_rig rig({.retire_patience = 30ms}, [](scripted_worker& self) {
    self.open();
    for (;;) ::usleep(1000);  // never looks at its orders
  });
  rig.open(0);
  rig.retire(0);
  EXPECT_EQ(reason(rig.await_death(0)), verdict_reason::recycled);
}

TEST(supervisor_retire, by_age_workers_are_replaced_again_and_again_although_nobody_calls) {
  supervisor_rig rig({.recycle = {.age = 20ms, .sample = 2ms}}, behave);
  for (int i = 0; i < 5; ++i) {
    rig.open(0);
    const shm::verdict& said = rig.await_death(0);
    EXPECT_EQ(reason(said), verdict_reason::recycled);
    EXPECT_EQ(why(said), recycle_reason::age);
  }
}

TEST(supervisor_retire, by_age_one_lane_at_a_time_unless_one_is_far_overdue) {
  const notes most;
  supervisor_rig rig({.lanes = 4, .recycle = {.age = 400ms, .jitter = 0, .sample = 2ms}}, [&](scripted_worker& self) {
    self.open();
    while (!self.told_to_retire()) ::usleep(100);
    ::usleep(2000);  // a finalizer
    ::_exit(0);
  });
  for (unsigned k = 0; k < 4; ++k) rig.open(k);
  ASSERT_TRUE(eventually([&] {
    std::uint64_t retiring = 0, gone = 0;
    for (unsigned k = 0; k < 4; ++k) {
      retiring += rig.state(k) == shm::lane_state::retiring ? 1 : 0;
      gone += rig.page(k).words.closed.load() >= 1 ? 1 : 0;
    }
    most[0] = std::max(most[0].load(), retiring);
    return gone == 4;
  }));
  EXPECT_EQ(most[0].load(), 1U);
}

TEST(supervisor_retire, by_resident_memory_only_the_worker_that_grew_is_replaced) {
  supervisor_rig rig({.lanes = 2, .recycle = {.resident_bytes = std::uint64_t{24} << 20, .sample = 2ms}}, behave);
  rig.open(0);
  rig.open(1);
  ASSERT_TRUE(rig.await_done(1, rig.post(1, {.task = answer})));
  ASSERT_TRUE(rig.await_done(0, rig.post(0, {.task = eat_32_mb})));
  const shm::verdict& said = rig.await_death(0);
  EXPECT_EQ(reason(said), verdict_reason::recycled);
  EXPECT_EQ(why(said), recycle_reason::resident);
  EXPECT_EQ(rig.page(1).words.closed.load(), 0U);
}

TEST(supervisor_retire, a_worker_asleep_in_its_event_loop_is_woken_through_its_eventfd) {
  const base::unique_fd event = base::make_eventfd();
  ::fcntl(event.get(), F_SETFL, 0);
  const int fd = event.get();
  supervisor_rig rig({.worker_events = {fd}}, [=](scripted_worker& self) {
    self.open();
    self.lane.set_parked(shm::parked::event);
    std::uint64_t count = 0;
    while (!self.told_to_retire()) (void)!::read(fd, &count, sizeof count);
    ::_exit(0);
  });
  rig.open(0);
  rig.retire(0);
  EXPECT_EQ(reason(rig.await_death(0)), verdict_reason::recycled);
}

// ---- the end of the pool

TEST(supervisor_end, a_retiring_shutdown_lets_running_calls_finish) {
  supervisor_rig rig({.lanes = 2}, behave);
  rig.open(0);
  rig.open(1);
  const unsigned slot = rig.post(0, {.task = work_50_ms});
  ASSERT_TRUE(rig.await_started(0, slot));
  EXPECT_EQ(rig.shut_down(shutdown_order::retire), 0);
  EXPECT_TRUE(shm::test(rig.lane(0).finished(), slot));
  for (unsigned k : {0U, 1U}) {
    EXPECT_EQ(rig.page(k).words.closed.load(), 1U);
    EXPECT_EQ(reason(rig.page(k).death), verdict_reason::shut_down);
  }
  EXPECT_TRUE(rig.leftovers().empty());
}

TEST(supervisor_end, a_retiring_shutdown_is_bounded_by_its_patience) {
  supervisor_rig rig({.retire_patience = 30ms}, behave);
  rig.open(0);
  ASSERT_TRUE(rig.await_started(0, rig.post(0, {.task = spin})));
  EXPECT_EQ(rig.shut_down(shutdown_order::retire), 0);
  EXPECT_EQ(reason(rig.page(0).death), verdict_reason::shut_down);
  EXPECT_EQ(rig.page(0).death.signal, SIGKILL);
}

TEST(supervisor_end, workers_that_are_not_ready_do_not_hold_up_a_shutdown) {
  supervisor_rig rig({.lanes = 3, .retire_patience = 3600s}, [](scripted_worker&) { ::pause(); });
  EXPECT_EQ(rig.shut_down(shutdown_order::retire), 0);
  EXPECT_TRUE(rig.leftovers().empty());
}

TEST(supervisor_end, an_immediate_shutdown_kills_whatever_runs_and_overrules_a_retiring_one) {
  for (const bool after_retire : {false, true}) {
    supervisor_rig rig({.lanes = 2, .retire_patience = 3600s}, behave);
    rig.open(0);
    rig.open(1);
    ASSERT_TRUE(rig.await_started(0, rig.post(0, {.task = spin})));
    if (after_retire) {
      rig.host().shutdown.store(static_cast<std::uint32_t>(shutdown_order::retire));
      rig.ring();
      ASSERT_TRUE(eventually([&] { return rig.page(1).words.closed.load() == 1; }));
    }
    EXPECT_EQ(rig.shut_down(shutdown_order::now), 0);
    EXPECT_EQ(reason(rig.page(0).death), verdict_reason::shut_down);
    EXPECT_TRUE(rig.leftovers().empty());
  }
}

TEST(supervisor_end, a_crash_during_a_shutdown_is_told_as_a_crash_and_nothing_is_started_again) {
  supervisor_rig rig({}, [](scripted_worker& self) {
    self.open();
    self.serve([&](unsigned) {
      while (!self.told_to_retire()) ::usleep(100);
      ::raise(SIGSEGV);
    });
  });
  rig.open(0);
  ASSERT_TRUE(rig.await_started(0, rig.post(0, {})));
  EXPECT_EQ(rig.shut_down(shutdown_order::retire), 0);
  EXPECT_EQ(rig.page(0).death.signal, SIGSEGV);
  EXPECT_EQ(rig.page(0).words.epoch.load(), 1U);
}

TEST(supervisor_end, a_lane_that_backs_off_or_has_failed_does_not_hold_up_a_shutdown) {
  supervisor_rig rig({.restart = {.backoff_first = 3600s, .backoff_limit = 3600s}},
                     [](scripted_worker&) { ::_exit(1); });
  ASSERT_TRUE(eventually([&] { return rig.state(0) == shm::lane_state::backing_off; }));
  EXPECT_EQ(rig.shut_down(shutdown_order::retire), 0);
}

// ---- rest

TEST(supervisor_end, an_idle_supervisor_does_not_wake_up) {
  supervisor_rig rig({.lanes = 4, .restart = {.start_timeout = 2s}}, behave);
  for (unsigned k = 0; k < 4; ++k) rig.open(k);
  for (unsigned k = 0; k < 4; ++k) {
    const unsigned slot = rig.post(k, {.limit = 2s});
    ASSERT_TRUE(rig.await_done(k, slot));
    rig.take(k, slot);  // an answer that nobody takes is looked at for ever
  }
  const auto switches = [&] { return tests::context_switches::of_thread("/proc/" + std::to_string(rig.pid())).all(); };
  ASSERT_GT(switches(), 0U);
  // The start timeouts and the limits are looked at, however late; one that polls has no such half second.
  EXPECT_TRUE(eventually([&] {
    const std::uint64_t before = switches();
    ::usleep(500'000);
    return switches() - before <= 1;
  }));
}

}  // namespace
}  // namespace selvage::test

// Calls that run too long, workers that start nothing, and workers that lie about it: killed in time, and nobody else
// is.

#include "base/syscalls.hpp"
#include "tests/crash/supervisor_rig.hpp"

namespace selvage::test {
namespace {

using shm::verdict_reason;

[[noreturn]] void spin_for_ever() {
  for (;;) shm::spin_pause();
}

void block_every_signal() {
  sigset_t all;
  ::sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
}

enum behaviour : std::uint16_t { answer, spin, sleep_for_ever, stop_itself, deafly_spin, stop_after_answering };

/// Does what the call's task number says.
void behave(scripted_worker& self) {
  self.open();
  self.serve([&](unsigned slot) {
    switch (self.lane.request(slot).task) {
      case answer:
        return;
      case spin:
        spin_for_ever();
      case sleep_for_ever:
        ::pause();
        return;
      case stop_itself:
        ::raise(SIGSTOP);
        return;
      case deafly_spin:
        block_every_signal();
        spin_for_ever();
      case stop_after_answering:
        self.finish(slot);
        ::raise(SIGSTOP);
        return;
      default:
        return;
    }
  });
}

TEST(supervisor_deadline, a_call_over_its_limit_is_killed_however_it_hangs_and_named_in_the_verdict) {
  supervisor_rig rig({}, behave);
  std::uint64_t call_id = 100;
  for (const behaviour hang : {spin, sleep_for_ever, stop_itself, deafly_spin}) {
    rig.open(0);
    const std::uint64_t posted = base::now_ns();
    const unsigned slot = rig.post(0, {.call_id = ++call_id, .limit = 20ms, .task = hang});
    const shm::verdict& said = rig.await_death(0);
    EXPECT_EQ(reason(said), verdict_reason::timed_out) << hang;
    EXPECT_EQ(said.call_id, call_id);
    EXPECT_EQ(said.slot, slot);
    EXPECT_EQ(said.signal, SIGKILL);
    EXPECT_GE(base::now_ns() - posted, 20'000'000U) << "not before its limit";
  }
  rig.open(0);
  EXPECT_TRUE(rig.await_done(0, rig.post(0, {.limit = 20ms})));
}

TEST(supervisor_deadline, calls_that_wait_behind_others_under_the_same_limit_all_succeed) {
  supervisor_rig rig({}, [](scripted_worker& self) {
    self.open();
    self.serve([](unsigned) { ::usleep(10'000); });
  });
  rig.open(0);
  std::vector<unsigned> slots;
  for (std::uint64_t i = 0; i < 60; ++i) slots.push_back(rig.post(0, {.call_id = i + 1, .limit = 400ms}));
  for (const unsigned slot : slots) ASSERT_TRUE(rig.await_done(0, slot));
  EXPECT_EQ(rig.page(0).words.closed.load(), 0U);
}

TEST(supervisor_deadline, a_worker_that_starts_nothing_is_killed_for_the_oldest_call) {
  supervisor_rig rig({}, [](scripted_worker& self) {
    self.open();
    spin_for_ever();
  });
  rig.open(0);
  rig.post(0, {.call_id = 41, .limit = 20ms});
  rig.post(0, {.call_id = 42, .limit = 20ms});
  const shm::verdict& said = rig.await_death(0);
  EXPECT_EQ(reason(said), verdict_reason::timed_out);
  EXPECT_EQ(said.call_id, 41U);
}

TEST(supervisor_deadline, a_forged_start_stamp_gains_at_most_a_limit) {
  enum lie : std::uint16_t { future, past, changing, hidden, phantom };
  for (const lie how : {future, past, changing, hidden, phantom}) {
    supervisor_rig rig({}, [=](scripted_worker& self) {
      self.open();
      const unsigned slot = self.take();
      std::atomic<std::uint64_t>& stamp = self.lane.response(slot).started_at_ns;
      self.start(slot);
      if (how == future) stamp = base::never_ns;
      if (how == past) stamp = 1;
      if (how == phantom) {  // claims to run calls that nobody posted, so that the real one seems to wait
        for (unsigned other = 0; other < 64; ++other) {
          if (other == slot) continue;
          self.start(other);
          self.finish(other);
          self.start(other);
        }
      }
      if (how == hidden || how == phantom) self.start(slot);  // toggles it back: "not started"
      for (;;) {
        if (how == changing) stamp = base::now_ns();
      }
    });
    rig.open(0);
    const std::uint64_t posted = base::now_ns();
    rig.post(0, {.call_id = 7, .limit = 50ms});
    const shm::verdict& said = rig.await_death(0);
    EXPECT_EQ(reason(said), verdict_reason::timed_out) << how;
    EXPECT_EQ(said.call_id, 7U) << how;
    EXPECT_GE(base::now_ns() - posted, 50'000'000U) << how;
  }
}

TEST(supervisor_deadline,
     a_completion_that_races_the_deadline_has_one_outcome_and_a_finished_call_is_never_killed_for) {
  const notes delay;
  supervisor_rig rig({}, [&](scripted_worker& self) {
    self.open();
    self.serve([&](unsigned) {
      for (const std::uint64_t end = base::now_ns() + delay[0].load(); base::now_ns() < end;) shm::spin_pause();
    });
  });
  rig.open(0);
  int finished = 0, killed = 0;
  for (std::uint64_t i = 1; i <= 400; ++i) {
    delay[0] = 2'000'000 - 150'000 + (i % 100) * 3000;  // around the limit of 2 ms
    const unsigned slot = rig.post(0, {.call_id = i, .limit = 2ms});
    ASSERT_TRUE(eventually([&] {
      return shm::test(rig.lane(0).finished(), slot) || rig.page(0).words.closed.load() == rig.lane(0).open_epoch();
    }));
    if (rig.page(0).words.closed.load() == rig.lane(0).open_epoch()) {
      ++killed;
      EXPECT_EQ(reason(rig.page(0).death), verdict_reason::timed_out);
      EXPECT_EQ(rig.page(0).death.call_id, i);
      EXPECT_FALSE(shm::test(rig.lane(0).finished(), slot))
          << "it was finished, and the worker was killed all the same";
      rig.open(0);
    } else {
      ++finished;
      rig.take(0, slot);
    }
  }
  std::printf("finished %d, killed %d\n", finished, killed);
  EXPECT_EQ(finished + killed, 400);
  EXPECT_GT(finished, 0);
}

TEST(supervisor_deadline, a_worker_stopped_from_outside_between_two_calls_is_killed_at_the_next_limit) {
  supervisor_rig rig({}, behave);
  rig.open(0);
  ASSERT_TRUE(rig.await_done(0, rig.post(0, {.call_id = 1, .limit = 50ms, .task = stop_after_answering})));
  rig.post(0, {.call_id = 2, .limit = 20ms});
  const shm::verdict& said = rig.await_death(0);
  EXPECT_EQ(reason(said), verdict_reason::timed_out);
  EXPECT_EQ(said.call_id, 2U);
}

TEST(supervisor_deadline, an_abort_grace_kills_a_call_that_still_runs_then) {
  supervisor_rig rig({}, behave);
  for (const bool unlimited : {true, false}) {
    rig.open(0);
    const unsigned slot = rig.post(0, {.call_id = 9, .limit = unlimited ? 0ms : 10s, .task = spin});
    rig.kill_at(0, slot, base::now_ns() + 15'000'000);
    const shm::verdict& said = rig.await_death(0);
    EXPECT_EQ(reason(said), verdict_reason::aborted);
    EXPECT_EQ(said.call_id, 9U);
    EXPECT_EQ(said.slot, slot);
  }
}

TEST(supervisor_deadline, an_abort_grace_that_the_call_did_not_need_kills_nobody) {
  supervisor_rig rig({}, behave);
  rig.open(0);
  const unsigned slot = rig.post(0, {.call_id = 9, .task = answer});
  ASSERT_TRUE(rig.await_done(0, slot));
  rig.kill_at(0, slot, base::now_ns() + 1'000'000);
  ::usleep(10'000);
  EXPECT_EQ(rig.page(0).words.closed.load(), 0U);
}

TEST(supervisor_deadline, a_shorter_limit_that_is_posted_while_the_supervisor_sleeps_for_a_longer_one_is_kept) {
  supervisor_rig rig({.lanes = 2}, behave);
  rig.open(0);
  rig.open(1);
  rig.post(0, {.call_id = 1, .limit = 3600s, .task = spin});
  ASSERT_TRUE(eventually([&] { return rig.control().next_look_ns.load() != base::never_ns; }));
  ::usleep(5000);
  rig.post(1, {.call_id = 2, .limit = 10ms, .task = spin});
  EXPECT_EQ(reason(rig.await_death(1)), verdict_reason::timed_out);
  EXPECT_EQ(rig.page(0).words.closed.load(), 0U);
}

TEST(supervisor_deadline, the_words_of_the_last_epoch_do_not_count_against_the_next_worker) {
  supervisor_rig rig({}, behave);
  rig.open(0);
  rig.post(0, {.call_id = 1, .limit = 15ms, .task = spin});
  rig.await_death(0);
  ::usleep(50'000);  // the host takes its time: the lane still shows the call as posted and not done
  EXPECT_EQ(rig.page(0).words.closed.load(), 1U);
  rig.open(0);
  ::usleep(20'000);
  EXPECT_EQ(rig.page(0).words.closed.load(), 1U);
  EXPECT_TRUE(rig.await_done(0, rig.post(0, {.call_id = 2, .limit = 1s})));
}

}  // namespace
}  // namespace selvage::test

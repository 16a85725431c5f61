// How workers end and what the supervisor says of it: every signal, every exit, before ready and after.

#include <fcntl.h>

#include <filesystem>
#include <stdexcept>

#include "tests/crash/supervisor_rig.hpp"

namespace selvage::test {
namespace {

using shm::lane_state;
using shm::verdict_reason;

/// Raises the signal that is the call's task number.
void raise_on_call(scripted_worker& self) {
  self.open();
  self.serve([&](unsigned slot) { ::kill(::getpid(), self.lane.request(slot).task); });
}

TEST(supervisor_death, a_death_by_any_signal_is_told_by_its_number_and_the_worker_is_replaced) {
  supervisor_rig rig({}, raise_on_call);
  for (const int signal :
       {SIGKILL, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTERM, SIGPIPE, SIGSYS, SIGXCPU, SIGRTMIN}) {
    rig.open(0);
    const int pid = rig.worker_pid(0);
    rig.post(0, {.task = static_cast<std::uint16_t>(signal)});
    const shm::verdict& said = rig.await_death(0);
    EXPECT_EQ(reason(said), verdict_reason::signalled);
    EXPECT_EQ(said.signal, signal);
    EXPECT_EQ(said.pid, pid);
    EXPECT_EQ(said.exit_status, 0);
    EXPECT_GT(said.peak_resident_bytes, 0U);
  }
  rig.open(0);
  EXPECT_EQ(rig.page(0).words.restarts.load(), 11U);
}

TEST(supervisor_death, an_exit_is_told_by_its_status_zero_included) {
  supervisor_rig rig({}, [](scripted_worker& self) {
    self.open();
    self.serve([&](unsigned slot) { ::_exit(self.lane.request(slot).task); });
  });
  for (const std::uint16_t status : {0, 3, 255}) {
    rig.open(0);
    rig.post(0, {.task = status});
    const shm::verdict& said = rig.await_death(0);
    EXPECT_EQ(reason(said), verdict_reason::exited);
    EXPECT_EQ(said.exit_status, status);
    EXPECT_EQ(said.signal, 0);
  }
}

TEST(supervisor_death, a_death_leaves_the_other_lanes_alone) {
  supervisor_rig rig({.lanes = 3}, raise_on_call);
  for (unsigned k = 0; k < 3; ++k) rig.open(k);
  const int second = rig.worker_pid(1), third = rig.worker_pid(2);
  for (int i = 0; i < 5; ++i) {
    rig.post(0, {.task = SIGKILL});
    rig.await_death(0);
    rig.open(0);
  }
  EXPECT_EQ(rig.worker_pid(1), second);
  EXPECT_EQ(rig.worker_pid(2), third);
  for (unsigned k : {1U, 2U}) EXPECT_TRUE(rig.await_done(k, rig.post(k, {.task = 0})));
}

TEST(supervisor_death, an_entry_that_returns_or_throws_is_a_failed_start_with_status_127) {
  for (const bool throws : {false, true}) {
    supervisor_rig rig({.restart = {.budget = 0}}, [=](scripted_worker&) {
      if (throws) throw std::runtime_error("no");
    });
    ASSERT_TRUE(eventually([&] { return rig.state(0) == lane_state::failed; }));
    EXPECT_EQ(rig.start_failure(0).exit_status, 127);
  }
}

TEST(supervisor_death, crashing_before_ready_spends_the_budget_and_then_the_lane_has_failed_with_the_reason) {
  const notes births;
  supervisor_rig rig({.restart = {.budget = 3, .backoff_first = 1ms, .backoff_limit = 4ms}},
                     [&](scripted_worker& self) {
                       births[0] = self.epoch();
                       std::fputs("cannot find my library\n", stderr);
                       ::_exit(9);
                     });
  ASSERT_TRUE(eventually([&] { return rig.state(0) == lane_state::failed; }));
  EXPECT_EQ(births[0].load(), 4U);  // one and three more
  EXPECT_EQ(rig.page(0).words.closed.load(), 4U);
  const shm::verdict said = rig.start_failure(0);
  EXPECT_EQ(said.epoch, 4U);
  EXPECT_EQ(reason(said), verdict_reason::exited);
  EXPECT_EQ(said.exit_status, 9);
  EXPECT_EQ(tail(said), "cannot find my library\n");
  ::usleep(30'000);
  EXPECT_EQ(births[0].load(), 4U) << "no fork storm";
  EXPECT_EQ(WEXITSTATUS(rig.shut_down(shm::shutdown_order::retire)), 0);
}

TEST(supervisor_death, a_lane_that_is_ready_once_has_its_whole_budget_again) {
  const notes births;
  supervisor_rig rig({.restart = {.budget = 2, .backoff_first = 1ms, .backoff_limit = 2ms}},
                     [&](scripted_worker& self) {
                       births[0] = self.epoch();
                       if (self.epoch() % 3 != 0) ::_exit(1);  // two of three fail, which the budget just allows
                       raise_on_call(self);
                     });
  for (const std::uint64_t ready : {3U, 6U, 9U}) {
    ASSERT_TRUE(eventually([&] { return births[0].load() == ready; }));
    rig.open(0);
    ASSERT_EQ(rig.lane(0).open_epoch(), ready);
    rig.post(0, {.task = SIGKILL});
    rig.await_death(0);
  }
}

TEST(supervisor_death, a_worker_that_says_ready_and_dies_over_and_over_is_no_fork_storm) {
  const notes births;
  supervisor_rig rig({.restart = {.budget = 2, .backoff_first = 1ms, .backoff_limit = 1s}}, [&](scripted_worker& self) {
    ++births[0];
    self.open();
    ::_exit(1);
  });
  ASSERT_TRUE(eventually([&] {
    if (rig.state(0) == lane_state::failed) return true;
    const shm::supervisor_words& words = rig.page(0).words;
    if (words.epoch.load() > words.closed.load() && words.epoch.load() > rig.lane(0).open_epoch()) {
      rig.lane(0).reset();
      rig.lane(0).open(words.epoch.load());  // but the host never gets to accept it
    }
    return false;
  }));
  EXPECT_EQ(births[0].load(), 3U);
  EXPECT_EQ(rig.start_failure(0).epoch, 3U);
}

TEST(supervisor_death, a_worker_that_is_not_ready_in_time_is_killed_and_counts_as_a_failed_start) {
  supervisor_rig rig({.restart = {.budget = 1, .backoff_first = 1ms, .start_timeout = 30ms}},
                     [](scripted_worker&) { ::signal(SIGTERM, SIG_IGN), ::pause(); });
  for (int i = 0; i < 2; ++i) rig.open_without_waiting(0);
  ASSERT_TRUE(eventually([&] { return rig.state(0) == lane_state::failed; }));
  EXPECT_EQ(reason(rig.start_failure(0)), verdict_reason::start_timeout);
  EXPECT_EQ(rig.page(0).words.epoch.load(), 2U);
}

TEST(supervisor_death, a_worker_that_is_ready_is_not_killed_by_the_start_timeout) {
  supervisor_rig rig({.restart = {.start_timeout = 1s}}, raise_on_call);
  rig.open(0);
  ::usleep(1'200'000);
  ASSERT_TRUE(eventually([&] { return rig.state(0) == lane_state::running; }));
  EXPECT_EQ(rig.page(0).words.epoch.load(), 1U);
  EXPECT_TRUE(rig.await_done(0, rig.post(0, {.task = 0})));
}

TEST(supervisor_death, the_death_record_waits_for_a_host_that_has_not_read_the_last_one) {
  supervisor_rig rig({}, raise_on_call);
  rig.open(0);
  rig.post(0, {.task = SIGSEGV});
  rig.await_death(0);
  ASSERT_TRUE(eventually([&] { return rig.worker_pid(0) != 0; }));
  ::kill(rig.worker_pid(0), SIGKILL);  // epoch 2, which the host never opened
  ASSERT_TRUE(eventually([&] { return rig.page(0).words.closed.load() == 2; }));
  EXPECT_EQ(rig.page(0).death.epoch, 1U);
  EXPECT_EQ(rig.page(0).death.signal, SIGSEGV);
  EXPECT_EQ(rig.start_failure(0).epoch, 2U);
  EXPECT_EQ(rig.start_failure(0).signal, SIGKILL);
}

TEST(supervisor_death, the_doorbell_counts_every_change_and_wakes_a_host_that_sleeps_on_it) {
  supervisor_rig rig({}, raise_on_call);
  rig.open(0);
  const std::uint32_t before = rig.control().doorbell.load();
  rig.host().parked.store(static_cast<std::uint32_t>(shm::parked::futex));
  std::atomic_thread_fence(std::memory_order_seq_cst);
  rig.post(0, {.task = SIGKILL});
  const std::uint64_t limit = base::now_ns() + 20'000'000'000U;
  while (rig.page(0).words.closed.load() == 0 && base::now_ns() < limit) {
    const std::uint32_t seen = rig.control().doorbell.load();
    if (rig.page(0).words.closed.load() == 0) shm::wait_on(rig.control().doorbell, seen, limit);
  }
  EXPECT_LT(base::now_ns(), limit) << "nobody woke it";
  EXPECT_NE(rig.control().doorbell.load(), before);
}

// ---- standard error

TEST(supervisor_death, the_last_words_on_standard_error_are_in_the_verdict) {
  supervisor_rig rig({}, [](scripted_worker& self) {
    self.open();
    self.serve([&](unsigned slot) {
      for (int i = 0; i < self.lane.request(slot).task; ++i) ::dprintf(STDERR_FILENO, "line %06d\n", i);
      ::abort();
    });
  });
  for (const std::uint16_t lines : {0, 1, 320, 321, 5000}) {  // 12 bytes each; the tail holds 320
    rig.open(0);
    rig.post(0, {.task = lines});
    std::string all;
    for (int i = 0; i < lines; ++i) {
      char line[32];
      std::snprintf(line, sizeof line, "line %06d\n", i);
      all += line;
    }
    const std::string wanted =
        all.size() > shm::stderr_tail_bytes ? all.substr(all.size() - shm::stderr_tail_bytes) : all;
    EXPECT_EQ(tail(rig.await_death(0)), wanted) << lines;
  }
}

TEST(supervisor_death, a_flood_on_standard_error_holds_up_neither_the_flooder_nor_the_other_lanes) {
  supervisor_rig rig({.lanes = 2}, [](scripted_worker& self) {
    self.open();
    self.serve([&](unsigned slot) {
      if (self.lane_number() == 1) ::abort();
      const std::string block(1 << 16, 'x');
      for (int i = 0; i < self.lane.request(slot).task; ++i) (void)!::write(STDERR_FILENO, block.data(), block.size());
    });
  });
  rig.open(0);
  rig.open(1);
  const unsigned flood = rig.post(0, {.task = 2000});  // 128 MB
  rig.post(1, {});
  EXPECT_EQ(rig.await_death(1).signal, SIGABRT);
  EXPECT_TRUE(rig.await_done(0, flood));
}

TEST(supervisor_death, standard_error_that_a_worker_set_non_blocking_is_blocking_again_for_the_next) {
  const notes flags;
  supervisor_rig rig({}, [&](scripted_worker& self) {
    flags[0] = static_cast<std::uint64_t>(::fcntl(STDERR_FILENO, F_GETFL));
    self.open();
    ::fcntl(STDERR_FILENO, F_SETFL, O_NONBLOCK);
    self.serve([](unsigned) { ::abort(); });
  });
  for (int i = 0; i < 2; ++i) {
    rig.open(0);
    EXPECT_EQ(flags[0].load() & O_NONBLOCK, 0U);
    rig.post(0, {});
    rig.await_death(0);
  }
}

// ---- many

TEST(supervisor_death, two_hundred_recycles_leave_no_descriptors_no_zombies_and_no_memory) {
  supervisor_rig rig({.lanes = 2}, raise_on_call);
  const auto count_fds = [&] {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry :
         std::filesystem::directory_iterator("/proc/" + std::to_string(rig.pid()) + "/fd")) {
      ++count;
    }
    return count;
  };
  rig.open(0);
  rig.open(1);
  if (!rig.may_look_inside()) GTEST_SKIP() << "needs root to look into the supervisor";
  std::size_t before = 0;
  for (int i = 0; i < 200; ++i) {
    rig.post(0, {.task = SIGKILL});
    rig.await_death(0);
    rig.open(0);
    if (i == 10) before = count_fds();
  }
  EXPECT_EQ(count_fds(), before);
  std::ifstream children("/proc/" + std::to_string(rig.pid()) + "/task/" + std::to_string(rig.pid()) + "/children");
  int count = 0;
  for (int pid = 0; children >> pid;) ++count;
  EXPECT_EQ(count, 2) << "two workers and nothing else";
  EXPECT_EQ(rig.page(0).words.restarts.load(), 200U);
}

}  // namespace
}  // namespace selvage::test

// The start of a worker and its time limit: who is timed, and who waits in peace.

#include "tests/crash/supervisor_rig.hpp"
#include "tests/support/processes.hpp"

namespace selvage::test {
namespace {

void serve_nothing(scripted_worker& self) {
  self.open();
  self.serve([](unsigned) {});
}

TEST(supervisor_start, a_worker_whose_turn_has_not_come_is_not_timed) {
  supervisor_rig rig({.restart = {.budget = 1, .backoff_first = 1ms, .start_timeout = 200ms}}, serve_nothing);
  rig.open(0);
  ::kill(rig.worker_pid(0), SIGKILL);
  (void)rig.await_death(0);
  ASSERT_TRUE(eventually([&] { return rig.worker_pid(0) != 0; }));
  const int waiting = rig.worker_pid(0);
  ::usleep(600'000);
  EXPECT_EQ(rig.worker_pid(0), waiting);
  EXPECT_EQ(rig.page(0).words.epoch.load(), 2U);
  rig.open(0);
  EXPECT_TRUE(rig.await_done(0, rig.post(0, {})));
}

TEST(supervisor_start, the_limit_counts_from_when_the_host_opens_the_epoch) {
  supervisor_rig rig({.restart = {.budget = 1, .backoff_first = 1ms, .start_timeout = 200ms}},
                     [](scripted_worker& self) {
                       if (self.epoch() == 1) serve_nothing(self);
                       ::pause();
                     });
  rig.open(0);
  ::kill(rig.worker_pid(0), SIGKILL);
  (void)rig.await_death(0);
  ::usleep(400'000);
  EXPECT_EQ(rig.page(0).words.closed.load(), 1U) << "nobody needs it yet";
  rig.open_without_waiting(0);
  ASSERT_TRUE(eventually([&] { return rig.page(0).words.closed.load() == 2; }));
  EXPECT_EQ(reason(rig.start_failure(0)), shm::verdict_reason::start_timeout);
}

TEST(supervisor_start, a_worker_that_waits_for_its_turn_costs_the_supervisor_no_wake_ups) {
  supervisor_rig rig({.recycle = {.resident_bytes = 1ULL << 40}, .restart = {.start_timeout = 200ms}}, serve_nothing);
  ASSERT_TRUE(eventually([&] { return rig.worker_pid(0) != 0; }));
  const auto switches = [&] {
    return tests::context_switches::of_thread("/proc/" + std::to_string(rig.pid())).voluntary;
  };
  ::usleep(50'000);
  const std::uint64_t before = switches();
  ASSERT_GT(before, 0U);
  ::usleep(500'000);
  EXPECT_LE(switches() - before, 1U);
}

}  // namespace
}  // namespace selvage::test

// A pool that nobody calls for a while is the same pool afterwards, whatever happens to its workers meanwhile.

#include <signal.h>
#include <unistd.h>

#include "tests/support/pool_fixture.hpp"
#include "tests/support/worker_view.hpp"

namespace selvage::test {
namespace {

class idle_pool : public pool_survives {};

/// The least that a lane can bear: one start that fails, and it has failed.
constexpr restart_options impatient = {.budget = 1, .backoff = 1ms, .backoff_limit = 1ms, .start_timeout = 300ms};

// Nobody collects, so nobody opens the epochs of the replacements: they wait for longer than a start may take.
TEST_F(idle_pool, outlives_its_workers_however_long_nobody_calls) {
  pool pool(watched({.workers = 2, .restart = impatient}), add);
  for (const int pid : all_worker_pids(pool)) ::kill(pid, SIGKILL);
  ::usleep(1'200'000);
  expect_usable(pool);
  const pool_stats stats = pool.stats();
  EXPECT_EQ(stats.restarts.failed_starts, 0U);
  for (const lane_stats& lane : stats.lanes) EXPECT_EQ(lane.epoch, 2U) << "its replacement was replaced as well";
}

TEST_F(idle_pool, whose_workers_were_recycled_by_age_is_usable) {
  pool pool(watched({.workers = 2, .recycle = {.age = 50ms}, .restart = impatient}), add);
  ::usleep(1'200'000);
  expect_usable(pool);
  EXPECT_EQ(pool.stats().restarts.failed_starts, 0U);
}

// The time that nobody counted while the pool was idle is counted once somebody calls.
TEST_F(idle_pool, whose_initializer_hangs_later_fails_the_calls_once_there_are_some) {
  const blackboard births;
  pool pool(watched({.workers = 1,
                     .restart = impatient,
                     .initializer =
                         [word = &births[0]] {
                           if (++*word > 1) ::pause();
                         }}),
            add);
  ::kill(all_worker_pids(pool)[0], SIGKILL);
  ::usleep(700'000);
  EXPECT_EQ(code_of(pool.call(add, 1, 2).result()), errc::worker_start_failed);
}

}  // namespace
}  // namespace selvage::test

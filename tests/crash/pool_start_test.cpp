// Workers that cannot start, when the pool is built and later: what is thrown, counted and told.

#include <mutex>

#include "tests/support/pool_fixture.hpp"
#include "tests/support/shared_words.hpp"

namespace selvage::test {
namespace {

class pool_start : public pool_survives {};

constexpr restart_options strict = {.budget = 1, .backoff = 1ms, .backoff_limit = 1ms};

/// Only the first `good` workers of all start.
std::function<void()> start_only(std::uint64_t good, const shared_words& births) {
  return [good, word = &births[0]] {
    if (word->fetch_add(1) >= good) ::_exit(9);
  };
}

TEST_F(pool_start, of_fewer_workers_than_were_asked_for_is_told) {
  const shared_words births(1);
  unsigned told = 0;
  const auto hook = [&](const event& it) { told += it.kind == event_kind::worker_start_failed ? 1 : 0; };
  pool pool(watched({.workers = 3, .restart = strict, .initializer = start_only(1, births), .on_event = hook}), add);
  const pool_stats stats = pool.stats();
  EXPECT_EQ(std::count_if(stats.lanes.begin(), stats.lanes.end(), [](const auto& lane) { return lane.failed; }), 2);
  EXPECT_EQ(stats.restarts.failed_starts, 4U) << "two tries for each of two lanes";
  EXPECT_GE(told, 2U);
  expect_usable(pool, 2);
}

TEST_F(pool_start, of_no_worker_at_all_is_an_error) {
  const shared_words births(1);
  try {
    const pool pool(watched({.workers = 3, .restart = strict, .initializer = start_only(0, births)}), add);
    FAIL() << "a pool without workers was built";
  } catch (const error& problem) {
    EXPECT_EQ(problem.code(), errc::worker_start_failed);
    EXPECT_NE(std::string(problem.what()).find("status 9"), std::string::npos);
  }
}

TEST_F(pool_start, that_fails_later_leaves_the_other_workers_and_is_told) {
  const shared_words births(1);
  std::mutex lock;
  std::vector<event> failures;
  const auto hook = [&](const event& it) {
    const std::lock_guard hold(lock);
    if (it.kind == event_kind::worker_start_failed) failures.push_back(it);
  };
  pool pool(watched({.workers = 2, .restart = strict, .initializer = start_only(2, births), .on_event = hook}), add);
  const int lost = all_worker_pids(pool).at(0);
  ::kill(lost, SIGKILL);
  ASSERT_TRUE(holds_in_the_end([&] {
    EXPECT_EQ(pool.call(add, 1, 2).get(), 3);
    return pool.stats().lanes[0].failed;
  }));
  expect_usable(pool, 1);
  const pool_stats stats = pool.stats();
  EXPECT_FALSE(stats.lanes[0].ready);
  EXPECT_FALSE(stats.lanes[1].failed);
  EXPECT_EQ(stats.restarts.failed_starts, 2U) << "the first try and the one that the budget allows";
  EXPECT_EQ(stats.restarts.crashed, 1U) << "only the one that had been ready";
  EXPECT_EQ(stats.restarts.exited, 0U);
  const std::lock_guard hold(lock);
  ASSERT_GE(failures.size(), 1U);
  EXPECT_EQ(failures.back().lane, 0U);
  EXPECT_EQ(failures.back().exit_status, 9);
  EXPECT_GE(failures.back().epoch, 2U);
}

TEST_F(pool_start, is_counted_also_where_it_takes_too_long) {
  const shared_words births(1);
  const auto hang_once = [word = &births[0]] {
    if (word->fetch_add(1) == 0) ::pause();
  };
  pool pool(watched({.workers = 1, .restart = {.start_timeout = 1s}, .initializer = hang_once}), add);
  expect_usable(pool);
  EXPECT_EQ(pool.stats().restarts.failed_starts, 1U);
}

}  // namespace
}  // namespace selvage::test

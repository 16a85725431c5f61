// What a pool counts, and the quantiles that users read out of it.

#include <gtest/gtest.h>

#include <limits>

#include "pool/figures.hpp"
#include "pool/verdict_error.hpp"

namespace selvage {
namespace {

using std::chrono::nanoseconds;

TEST(service_histogram, of_nothing_has_no_quantile) {
  const service_histogram none;
  EXPECT_EQ(none.count(), 0U);
  EXPECT_EQ(none.quantile(0.5), nanoseconds(0));
}

TEST(service_histogram, a_quantile_is_the_upper_end_of_its_bucket) {
  service_histogram it;
  it.buckets[10] = 50;  // [1024, 2048) ns
  it.buckets[20] = 50;
  EXPECT_EQ(it.quantile(0.01), nanoseconds(2047));
  EXPECT_EQ(it.quantile(0.5), nanoseconds(2047));
  EXPECT_EQ(it.quantile(0.51), nanoseconds((1 << 21) - 1));
  EXPECT_EQ(it.quantile(1.0), nanoseconds((1 << 21) - 1));
}

TEST(service_histogram, quantiles_outside_of_0_and_1_are_the_extremes) {
  service_histogram it;
  it.buckets[3] = 1;
  it.buckets[39] = 1;
  EXPECT_EQ(it.quantile(-1), nanoseconds(15));
  EXPECT_EQ(it.quantile(7), nanoseconds((std::int64_t{1} << 40) - 1));
}

TEST(figures, time_goes_to_the_bucket_of_its_power_of_two) {
  host::figures all(1);
  const std::pair<std::uint64_t, std::size_t> cases[] = {{0, 0},
                                                         {1, 0},
                                                         {2, 1},
                                                         {3, 1},
                                                         {4, 2},
                                                         {1023, 9},
                                                         {1024, 10},
                                                         {std::uint64_t{1} << 39, 39},
                                                         {std::numeric_limits<std::uint64_t>::max(), 39}};
  for (const auto& [time, bucket] : cases) {
    host::figures one(1);
    one.time(0, time);
    ASSERT_NE(one.find(0), nullptr);
    EXPECT_EQ(one.find(0)->service.buckets.at(bucket), 1U) << time;
    all.time(0, time);
  }
  EXPECT_EQ(all.find(0)->service.count(), std::size(cases));
}

TEST(figures, count_per_task_and_in_all) {
  host::figures all(3);
  all.count(0, true);
  all.count(2, true);
  all.count(2, false);
  EXPECT_EQ(all.succeeded, 2U);
  EXPECT_EQ(all.failed, 1U);
  EXPECT_EQ(all.find(0)->succeeded, 1U);
  EXPECT_EQ(all.find(1), nullptr);
  EXPECT_EQ(all.find(2)->succeeded, 1U);
  EXPECT_EQ(all.find(2)->failed, 1U);
}

TEST(restart_figures, every_reason_has_its_column) {
  using shm::recycle_reason;
  using shm::verdict_reason;
  const auto counted = [](verdict_reason reason, recycle_reason recycle = recycle_reason::none) {
    restart_stats stats;
    shm::verdict verdict{};
    verdict.reason = static_cast<std::uint32_t>(reason);
    verdict.recycle = static_cast<std::uint32_t>(recycle);
    host::count(stats, verdict);
    return stats;
  };
  EXPECT_EQ(counted(verdict_reason::signalled).crashed, 1U);
  EXPECT_EQ(counted(verdict_reason::exited).exited, 1U);
  EXPECT_EQ(counted(verdict_reason::timed_out).timed_out, 1U);
  EXPECT_EQ(counted(verdict_reason::aborted).aborted, 1U);
  EXPECT_EQ(counted(verdict_reason::start_timeout).failed_starts, 0U) << "the supervisor counts failed starts";
  EXPECT_EQ(counted(verdict_reason::recycled, recycle_reason::calls).recycled_calls, 1U);
  EXPECT_EQ(counted(verdict_reason::recycled, recycle_reason::resident).recycled_resident, 1U);
  EXPECT_EQ(counted(verdict_reason::recycled, recycle_reason::age).recycled_age, 1U);
  const restart_stats none = counted(verdict_reason::shut_down);
  EXPECT_EQ(none.crashed + none.exited + none.timed_out + none.aborted + none.failed_starts, 0U);
}

}  // namespace
}  // namespace selvage

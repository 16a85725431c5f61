// Proves lane_port::outlook: which answers may wait, and what it takes for a run to be longer than was thought.

#include <gtest/gtest.h>

#include "pool/lane_port.hpp"

namespace {

using namespace selvage;

constexpr std::uint64_t us = 1'000;
constexpr std::uint64_t start = 1'000'000'000;
constexpr std::uint64_t enough = 100 * us;
constexpr shm::geometry one_lane{.lanes = 1, .request_arena_bytes = 0, .response_arena_bytes = 0};

/// The host's side of a lane with calls of one length, and a worker.
class lane_outlook : public testing::Test {
 protected:
  lane_outlook() {
    port.lane.reset();
    port.lane.open(1);
    worker.open(1);
  }
  void post(unsigned calls, std::uint64_t estimate_ns) {
    for (unsigned i = 0; i < calls; ++i) {
      const unsigned slot = port.lane.claim().value();
      port.lane.header(slot).flags = port.lane.base_flags(slot);
      port.slots[slot].estimate_ns = estimate_ns;
      port.load_ns += estimate_ns;
      port.lane.publish(slot);
    }
  }
  unsigned run(std::uint64_t since) {
    const unsigned slot = worker.next(worker.pending());
    EXPECT_TRUE(worker.start(slot, since));
    return slot;
  }
  host::lane_outlook at(std::uint64_t now, unsigned asked_for = shm::slots_per_lane) const {
    return port.outlook(enough, now, asked_for);
  }

  const shm::descriptors segment = shm::create_segment(one_lane);
  const base::limits no_limits{};
  host::lane_port port{one_lane, segment, 0, no_limits, {.initial = 0, .maximum = 0}, shm::fences::symmetric};
  shm::mapping answers{segment.read_write.get(), shm::access::read_write, one_lane.response_offset(0),
                       one_lane.response_region_bytes()};
  shm::worker_lane worker{port.request(), shm::response_at(answers.data())};
};

TEST_F(lane_outlook, an_empty_lane_has_nothing_to_come) {
  EXPECT_EQ(at(start).early, 0U);
  EXPECT_EQ(at(start).dry_ns, 0U);
}

TEST_F(lane_outlook, answers_with_enough_behind_them_may_wait_and_the_last_ones_may_not) {
  post(5, 50 * us);
  run(start);
  const auto ahead = at(start + 20 * us);
  EXPECT_EQ(ahead.early, 0b00111U) << "behind the third are 100 us";
  EXPECT_EQ(ahead.there, 0U);
  EXPECT_EQ(ahead.first_ns, 30 * us);
  EXPECT_EQ(ahead.dry_ns, 230 * us);
}

TEST_F(lane_outlook, what_is_answered_may_wait_too) {
  post(5, 50 * us);
  worker.finish(run(start));
  run(start + 50 * us);
  const auto ahead = at(start + 50 * us);
  EXPECT_EQ(ahead.there, 0b00001U);
  EXPECT_EQ(ahead.early, 0b00111U);
  EXPECT_EQ(ahead.dry_ns, 200 * us);
}

TEST_F(lane_outlook, too_little_work_lets_nothing_wait) {
  post(2, 49 * us);
  run(start);
  EXPECT_EQ(at(start).early, 0U);
}

// Its worker may have waited for the processor of the very thread that asks.
TEST_F(lane_outlook, a_run_that_is_a_little_late_ends_at_any_moment_and_may_wait) {
  post(20, 10 * us);
  run(start);
  const auto ahead = at(start + 90 * us);
  EXPECT_EQ(ahead.early & 1U, 1U);
  EXPECT_EQ(ahead.first_ns, 1U);
  EXPECT_EQ(ahead.dry_ns, 190 * us);
}

TEST_F(lane_outlook, a_run_that_is_late_by_more_than_a_collector_takes_rings) {
  post(20, 10 * us);
  run(start);
  const auto ahead = at(start + 110 * us);
  EXPECT_EQ(ahead.early & 1U, 0U);
  EXPECT_EQ(ahead.early & 2U, 2U) << "those behind it come after it";
  EXPECT_EQ(ahead.first_ns, 0U);
}

TEST_F(lane_outlook, a_run_of_twice_its_time_rings) {
  post(3, 1'000 * us);
  run(start);
  EXPECT_EQ(at(start + 1'999 * us).early & 1U, 1U);
  EXPECT_EQ(at(start + 2'000 * us).early & 1U, 0U);
}

TEST_F(lane_outlook, says_when_the_answer_comes_that_is_asked_for) {
  post(4, 200 * us);
  run(start);
  EXPECT_EQ(at(start + 50 * us, 1).its_end_ns, 350 * us);
  EXPECT_EQ(at(start + 250 * us, 0).its_end_ns, 0U) << "any moment";
  EXPECT_EQ(at(start, 7).its_end_ns, base::never_ns);
}

}  // namespace

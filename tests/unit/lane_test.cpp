// Proves shm/lane.hpp with both views in one thread: which slots are claimed, and that calls start in the order of
// posting.

#include "shm/lane.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

#include "tests/support/lane_pair.hpp"
#include "tests/support/random.hpp"

namespace {

using namespace selvage::shm;
using selvage::tests::lane_pair;

TEST(lane, an_idle_lane_has_nothing_to_do) {
  lane_pair lane;
  EXPECT_EQ(lane.worker.pending(), 0U);
  EXPECT_EQ(lane.host.finished(), 0U);
  EXPECT_EQ(lane.host.in_flight(), 0U);
  EXPECT_EQ(lane.host.started(), 0U);
  EXPECT_EQ(lane.host.busy(), 0U);
}

TEST(lane, one_call_goes_there_and_back) {
  lane_pair lane;
  const auto slot = lane.host.claim();
  ASSERT_EQ(slot, 0U);
  EXPECT_EQ(lane.host.busy(), bit(0));
  EXPECT_EQ(lane.worker.pending(), 0U) << "claimed is not posted";
  lane.write(0);
  lane.host.publish(0);
  EXPECT_EQ(lane.worker.pending(), bit(0));
  EXPECT_EQ(lane.host.in_flight(), bit(0));
  EXPECT_EQ(lane.host.started(), 0U);

  ASSERT_TRUE(lane.worker.start(lane.worker.next(lane.worker.pending()), 77));
  EXPECT_EQ(lane.worker.pending(), 0U);
  EXPECT_EQ(lane.host.started(), bit(0));
  EXPECT_EQ(lane.host.response(0).started_at_ns.load(std::memory_order_relaxed), 77U);
  EXPECT_EQ(lane.host.finished(), 0U);

  lane.finish(0);
  EXPECT_EQ(lane.host.finished(), bit(0));
  lane.host.settle(0);
  EXPECT_EQ(lane.host.finished(), 0U);
  EXPECT_EQ(lane.host.in_flight(), 0U);
  EXPECT_EQ(lane.host.busy(), bit(0)) << "the result is still being copied";
  lane.host.free(0);
  EXPECT_EQ(lane.host.busy(), 0U);
  EXPECT_EQ(lane.post(), 1U) << "slots go around";
}

TEST(lane, sixty_four_calls_fill_it_and_the_next_has_no_place) {
  lane_pair lane;
  for (unsigned i = 0; i < slots_per_lane; ++i) ASSERT_EQ(lane.post(), i);
  EXPECT_FALSE(lane.host.claim().has_value());
  EXPECT_EQ(lane.worker.pending(), ~std::uint64_t{0});
  EXPECT_EQ(lane.host.in_flight(), ~std::uint64_t{0});

  const unsigned first = lane.start_next();
  EXPECT_FALSE(lane.host.claim().has_value()) << "running, not done";
  lane.finish(first);
  EXPECT_FALSE(lane.host.claim().has_value()) << "done, not settled";
  lane.host.settle(first);
  EXPECT_FALSE(lane.host.claim().has_value()) << "settled, not freed";
  lane.host.free(first);
  EXPECT_EQ(lane.post(), 0U);
  EXPECT_FALSE(lane.host.claim().has_value());
}

TEST(lane, thousands_of_calls_stay_first_in_first_out_over_wraparound) {
  selvage::tests::random_source random;
  lane_pair lane;
  std::uint64_t expected = 1;
  while (expected <= 20'000) {
    for (std::uint64_t n = random.below(70); n > 0 && lane.post(); --n) {
    }
    for (std::uint64_t n = random.below(70); n > 0 && lane.worker.pending() != 0; --n) {
      const unsigned slot = lane.start_next();
      ASSERT_EQ(lane.call_in(slot), expected++);
      lane.finish(slot);
    }
    for_each_from(lane.host.finished(), lane.host.oldest_from(), [&](unsigned slot) { lane.settle_and_free(slot); });
  }
}

TEST(lane, finished_calls_are_visited_oldest_first) {
  lane_pair lane;
  std::uint64_t expected = 1;
  for (int round = 0; round < 200; ++round) {
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(lane.post().has_value());
    while (lane.worker.pending() != 0) lane.finish(lane.start_next());
    for_each_from(lane.host.finished(), lane.host.oldest_from(), [&](unsigned slot) {
      EXPECT_EQ(lane.host.response(slot).call_id, expected++);
      lane.settle_and_free(slot);
    });
  }
}

TEST(lane, a_slot_that_has_started_is_passed_over) {
  lane_pair lane;
  ASSERT_EQ(lane.post(), 0U);
  ASSERT_EQ(lane.start_next(), 0U);
  for (unsigned i = 1; i < slots_per_lane; ++i) {
    ASSERT_EQ(lane.post(), i);
    lane.finish(lane.start_next());
    lane.settle_and_free(i);
  }
  EXPECT_EQ(lane.post(), 1U) << "slot 0 still runs";
  EXPECT_EQ(lane.start_next(), 1U);
}

TEST(lane, a_slot_freed_behind_one_that_runs_is_the_last_in_the_workers_order) {
  lane_pair lane;
  for (unsigned i = 0; i < slots_per_lane; ++i) ASSERT_EQ(lane.post(), i);
  ASSERT_EQ(lane.start_next(), 0U);
  ASSERT_EQ(lane.start_next(), 1U);
  lane.finish(1);
  lane.settle_and_free(1);
  EXPECT_EQ(lane.post(), 1U);
  for (unsigned i = 2; i < slots_per_lane; ++i) ASSERT_EQ(lane.start_next(), i);
  EXPECT_EQ(lane.start_next(), 1U);
}

TEST(lane, a_slot_that_waits_is_never_passed_over) {
  lane_pair lane;
  for (unsigned i = 0; i < slots_per_lane; ++i) ASSERT_EQ(lane.post(), i);
  ASSERT_TRUE(lane.worker.start(1, 1));  // out of order, as no worker of ours does: 0 still waits
  lane.finish(1);
  lane.settle_and_free(1);
  EXPECT_FALSE(lane.host.claim().has_value());
}

TEST(lane, a_slot_that_was_passed_over_is_no_way_to_overtake) {
  lane_pair lane;
  ASSERT_EQ(lane.post(), 0U);
  ASSERT_EQ(lane.start_next(), 0U);
  for (unsigned i = 1; i < slots_per_lane; ++i) {
    ASSERT_EQ(lane.post(), i);
    lane.finish(lane.start_next());
    lane.settle_and_free(i);
  }
  // 0 still runs and is passed over; then a lap of calls that wait.
  for (unsigned i = 1; i < slots_per_lane; ++i) ASSERT_EQ(lane.post(), i);
  lane.finish(0);
  lane.settle_and_free(0);
  EXPECT_FALSE(lane.host.claim().has_value()) << "the worker's cursor is at 0: it would run before 1";
  ASSERT_EQ(lane.start_next(), 1U);
  EXPECT_EQ(lane.post(), 0U);
  for (unsigned i = 2; i < slots_per_lane; ++i) ASSERT_EQ(lane.start_next(), i);
  EXPECT_EQ(lane.start_next(), 0U);
}

TEST(lane, a_slot_that_is_claimed_but_not_posted_is_passed_over_too) {
  lane_pair lane;
  ASSERT_EQ(lane.host.claim(), 0U);
  for (unsigned i = 1; i < slots_per_lane; ++i) {
    ASSERT_EQ(lane.post(), i);
    lane.finish(lane.start_next());
    lane.settle_and_free(i);
  }
  EXPECT_EQ(lane.host.claim(), 1U);
}

TEST(lane, a_slot_given_back_is_the_next_to_be_claimed) {
  lane_pair lane;
  ASSERT_EQ(lane.post(), 0U);
  ASSERT_EQ(lane.host.claim(), 1U);
  lane.host.unclaim(1);
  EXPECT_EQ(lane.host.busy(), bit(0));
  EXPECT_EQ(lane.worker.pending(), bit(0));
  EXPECT_EQ(lane.post(), 1U);
}

TEST(lane, slots_given_back_in_any_order_keep_the_lane_first_in_first_out) {
  selvage::tests::random_source random;
  lane_pair lane;
  std::uint64_t expected = 1;
  for (int round = 0; round < 5000; ++round) {
    std::vector<unsigned> claimed;
    for (std::uint64_t n = random.below(8); n > 0; --n) {
      if (const auto slot = lane.host.claim()) claimed.push_back(*slot);
    }
    std::set<unsigned> given_back;
    for (const unsigned slot : claimed) {
      if (random.one_in(3)) given_back.insert(slot);
    }
    for (const unsigned slot : given_back) lane.host.unclaim(slot);
    for (const unsigned slot : claimed) {
      if (given_back.contains(slot)) continue;
      lane.write(slot);
      lane.host.publish(slot);
    }
    for (std::uint64_t n = random.below(round % 1000 < 500 ? 5 : 8); n > 0 && lane.worker.pending() != 0; --n) {
      const unsigned slot = lane.start_next();
      ASSERT_EQ(lane.call_in(slot), expected++) << "round " << round;
      lane.finish(slot);
      lane.settle_and_free(slot);
    }
  }
}

// Coroutine workers run several calls at once and finish them in any order: slots are passed over, and freed behind the
// head.
TEST(lane, calls_start_in_the_order_of_posting_whichever_slots_are_still_running) {
  selvage::tests::random_source random;
  std::uint64_t passed_over = 0;
  for (int round = 0; round < 50; ++round) {
    lane_pair lane;
    std::uint64_t expected = 1;
    std::vector<unsigned> running;
    unsigned last = slots_per_lane - 1;
    for (int step = 0; step < 4000; ++step) {
      switch (random.below(4)) {
        case 0:
        case 1:
          if (const auto slot = lane.post()) {
            passed_over += *slot != (last + 1) % slots_per_lane;
            last = *slot;
          }
          break;
        case 2:
          if (lane.worker.pending() == 0) break;
          running.push_back(lane.start_next());
          ASSERT_EQ(lane.call_in(running.back()), expected++) << "overtaken, round " << round << " step " << step;
          break;
        default:
          if (running.empty() || (running.size() < 4 && !random.one_in(20))) break;
          const auto chosen = running.begin() + static_cast<std::ptrdiff_t>(random.below(running.size()));
          lane.finish(*chosen);
          lane.settle_and_free(*chosen);
          running.erase(chosen);
      }
    }
  }
  EXPECT_GT(passed_over, 0U) << "no slot was passed over: this test tested nothing";
}

TEST(lane, a_lane_whose_slots_are_all_free_again_always_has_a_place) {
  selvage::tests::random_source random;
  lane_pair lane;
  for (int round = 0; round < 2000; ++round) {
    std::vector<unsigned> running;
    while (running.size() < 1 + random.below(slots_per_lane)) {
      if (!lane.post()) break;
      if (random.one_in(2)) {
        while (lane.worker.pending() != 0) running.push_back(lane.start_next());
      }
    }
    while (lane.worker.pending() != 0) running.push_back(lane.start_next());
    std::reverse(running.begin(), running.end());
    for (const unsigned slot : running) {
      lane.finish(slot);
      lane.settle_and_free(slot);
    }
    ASSERT_EQ(lane.host.busy(), 0U);
    const auto slot = lane.host.claim();
    ASSERT_TRUE(slot.has_value()) << "round " << round;
    lane.host.unclaim(*slot);
  }
}

}  // namespace

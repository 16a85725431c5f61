// Proves shm/lane.hpp with both views in one thread: what is claimed, started, recalled, finished and freed, in which
// order.

#include "shm/lane.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "tests/support/lane_memory.hpp"
#include "tests/support/random.hpp"

namespace {

using namespace selvage::shm;
using selvage::tests::lane_memory;

// One lane with an open epoch. Calls carry a number that counts up, so that order can be seen.
struct lane_pair {
  lane_memory memory;
  host_lane host{memory.request(), memory.response()};
  worker_lane worker{memory.request(), memory.response()};
  std::uint64_t last_call = 0;

  explicit lane_pair(std::uint64_t epoch = 1) { open(epoch); }

  void open(std::uint64_t epoch) {
    host.reset();
    host.open(epoch);
    worker.open(epoch);
  }
  void write(unsigned slot) {
    host.header(slot).call_id.store(++last_call, std::memory_order_relaxed);
    host.header(slot).flags = host.base_flags(slot);
  }
  std::optional<unsigned> post() {
    const auto slot = host.claim();
    if (!slot) return slot;
    write(*slot);
    host.publish(*slot);
    return slot;
  }
  std::uint64_t call_in(unsigned slot) const { return worker.request(slot).call_id.load(std::memory_order_relaxed); }
  unsigned start_next() {
    const unsigned slot = worker.next(worker.pending());
    EXPECT_TRUE(worker.start(slot, 1));
    return slot;
  }
  void finish(unsigned slot) {
    worker.response(slot).call_id = call_in(slot);
    worker.finish(slot);
  }
  void settle_and_free(unsigned slot) {
    host.settle(slot);
    host.free(slot);
  }
};

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

TEST(lane, a_recall_before_the_start_is_final) {
  lane_pair lane;
  ASSERT_EQ(lane.post(), 0U);
  EXPECT_TRUE(lane.host.recall(0)) << "not started: it will not run";
  ASSERT_EQ(lane.worker.pending(), bit(0)) << "the worker still has to give the slot back";
  EXPECT_FALSE(lane.worker.start(lane.worker.next(lane.worker.pending()), 1));
  lane.finish(0);
  EXPECT_EQ(lane.host.finished(), bit(0));
  lane.settle_and_free(0);
}

TEST(lane, a_recall_after_the_start_changes_nothing) {
  lane_pair lane;
  ASSERT_EQ(lane.post(), 0U);
  ASSERT_EQ(lane.start_next(), 0U);
  EXPECT_FALSE(lane.host.recall(0)) << "it runs: the answer will tell";
  lane.finish(0);
  EXPECT_FALSE(lane.host.recall(0)) << "done";
  lane.host.settle(0);
  EXPECT_FALSE(lane.host.recall(0)) << "settled by the collector meanwhile: it did run";
}

TEST(lane, recalling_twice_does_not_lower_the_first) {
  lane_pair lane;
  ASSERT_EQ(lane.post(), 0U);
  EXPECT_TRUE(lane.host.recall(0));
  EXPECT_TRUE(lane.host.recall(0));
  EXPECT_FALSE(lane.worker.start(lane.worker.next(lane.worker.pending()), 1));
}

TEST(lane, a_recalled_slot_is_an_ordinary_one_for_its_next_call) {
  lane_pair lane;
  for (int round = 0; round < 4; ++round) {
    for (unsigned slot = 0; slot < slots_per_lane; ++slot) {
      ASSERT_EQ(lane.post(), slot);
      const bool recalled = (static_cast<unsigned>(round) + slot) % 3 != 0;
      if (recalled) {
        ASSERT_TRUE(lane.host.recall(slot));
      }
      const unsigned next = lane.worker.next(lane.worker.pending());
      ASSERT_EQ(next, slot);
      ASSERT_EQ(lane.worker.start(slot, 1), !recalled);
      lane.finish(slot);
      lane.settle_and_free(slot);
    }
  }
}

TEST(lane, a_recall_touches_no_other_slot) {
  lane_pair lane;
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(lane.post().has_value());
  EXPECT_TRUE(lane.host.recall(1));
  EXPECT_TRUE(lane.worker.start(lane.worker.next(lane.worker.pending()), 1));
  EXPECT_FALSE(lane.worker.start(lane.worker.next(lane.worker.pending()), 1));
  EXPECT_TRUE(lane.worker.start(lane.worker.next(lane.worker.pending()), 1));
}

TEST(lane, an_abort_is_seen_by_its_call_only_and_not_by_the_next_one_in_the_slot) {
  lane_pair lane;
  for (int round = 0; round < 3; ++round) {
    for (unsigned slot = 0; slot < slots_per_lane; ++slot) {
      ASSERT_EQ(lane.post(), slot);
      lane.start_next();
      const auto raised = [&] { return lane.worker.abort_raised(slot, lane.worker.request(slot).flags); };
      ASSERT_FALSE(raised());
      if (slot % 2 == 0) {
        lane.host.raise_abort(slot);
        ASSERT_TRUE(raised());
        lane.host.raise_abort(slot);
        ASSERT_TRUE(raised()) << "raised twice is raised";
      }
      lane.finish(slot);
      lane.settle_and_free(slot);
    }
  }
}

TEST(lane, arena_bytes_of_an_answer_are_the_workers_again_once_it_is_taken) {
  lane_pair lane;
  for (int lap = 0; lap < 3; ++lap) {  // both values of every bit
    for (unsigned slot = 0; slot < slots_per_lane; ++slot) {
      ASSERT_EQ(lane.post(), slot);
      lane.start_next();
      EXPECT_FALSE(test(lane.worker.taken(), slot)) << "it runs: what it holds is being written";
      lane.finish(slot);
      EXPECT_FALSE(test(lane.worker.taken(), slot));
      lane.host.settle(slot);
      EXPECT_FALSE(test(lane.worker.taken(), slot)) << "the host still reads it";
      lane.host.free(slot);
      EXPECT_TRUE(test(lane.worker.taken(), slot));
    }
  }
}

TEST(lane, finished_never_names_a_slot_that_was_not_posted) {
  selvage::tests::random_source random;
  lane_pair lane;
  response_words& words = *lane.memory.response().words;
  std::uint64_t posted = 0;
  for (int step = 0; step < 20'000; ++step) {
    words.done.store(random.bits(), std::memory_order_relaxed);
    words.started.store(random.bits(), std::memory_order_relaxed);
    ASSERT_EQ(lane.host.in_flight(), posted);
    const std::uint64_t finished = lane.host.finished();
    ASSERT_EQ(finished & ~posted, 0U);
    ASSERT_EQ(lane.host.started() & ~posted, 0U);
    for_each_from(finished, lane.host.oldest_from(), [&](unsigned slot) {
      lane.settle_and_free(slot);
      posted &= ~bit(slot);
    });
    if (const auto slot = lane.post()) {
      ASSERT_FALSE(test(posted, *slot)) << "a slot in flight was claimed";
      posted |= bit(*slot);
    }
  }
}

// The pool's shape: callers post under a lock, a collector looks at any time. Also what the thread sanitizer gets to see.
TEST(lane, a_collector_in_another_thread_sees_every_answer_once_and_none_that_was_not_given) {
  constexpr std::uint64_t calls = 100'000;
  lane_pair lane;
  std::mutex lock;
  std::uint64_t call_of[slots_per_lane] = {};
  std::atomic<bool> over{false};

  std::thread worker([&] {
    while (!over.load(std::memory_order_relaxed)) {
      if (lane.worker.pending() == 0) {
        std::this_thread::yield();
      } else {
        lane.finish(lane.start_next());
      }
    }
  });
  std::thread collector([&] {
    for (std::uint64_t settled = 0; settled < calls;) {
      const std::uint64_t finished = lane.host.finished();
      if (finished == 0) std::this_thread::yield();
      for_each_from(finished, 0, [&](unsigned slot) {
        EXPECT_EQ(lane.host.response(slot).call_id, call_of[slot]);
        lane.host.settle(slot);
        const std::lock_guard held(lock);
        lane.host.free(slot);
        ++settled;
      });
    }
  });
  while (lane.last_call < calls) {
    std::unique_lock held(lock);
    const auto slot = lane.host.claim();
    if (!slot) {
      held.unlock();
      std::this_thread::yield();
      continue;
    }
    lane.write(*slot);
    call_of[*slot] = lane.last_call;
    lane.host.publish(*slot);
  }
  collector.join();
  over.store(true, std::memory_order_relaxed);
  worker.join();
  EXPECT_EQ(lane.host.in_flight(), 0U);
  EXPECT_EQ(lane.host.busy(), 0U);
}

TEST(lane, waking_depends_on_how_the_worker_sleeps) {
  lane_pair lane;
  const std::uint32_t before = lane.worker.doorbell().expected;
  EXPECT_EQ(lane.host.wake_worker(), parked::no);
  EXPECT_EQ(lane.worker.doorbell().expected, before);
  lane.worker.set_parked(parked::event);
  EXPECT_EQ(lane.host.wake_worker(), parked::event);
  EXPECT_EQ(lane.worker.doorbell().expected, before) << "its eventfd is the caller's to write";
  lane.worker.set_parked(parked::futex);
  EXPECT_EQ(lane.host.wake_worker(), parked::futex);
  EXPECT_EQ(lane.worker.doorbell().expected, before + 1);
}

TEST(lane, the_host_is_rung_only_where_it_sleeps) {
  lane_pair lane;
  const std::uint32_t before = lane.host.doorbell().expected;
  lane.worker.wake_host(false);
  EXPECT_EQ(lane.host.doorbell().expected, before);
  lane.host.set_parked(parked::futex);
  lane.worker.wake_host(false);
  lane.worker.wake_host(true);
  EXPECT_EQ(lane.host.doorbell().expected, before + 2);
}

TEST(lane, a_new_epoch_finds_nothing_of_the_old_one) {
  lane_pair lane(1);
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(lane.post().has_value());
  for (int i = 0; i < 20; ++i) {
    const unsigned slot = lane.start_next();
    if (i % 2 == 0) lane.finish(slot);
    if (i % 4 == 0) lane.settle_and_free(slot);
  }
  ASSERT_TRUE(lane.host.recall(30));
  lane.host.raise_abort(31);
  lane.host.kill_at(7, 12345);
  const std::uint32_t worker_bell = lane.worker.doorbell().expected;
  const std::uint32_t host_bell = lane.host.doorbell().expected;

  lane.host.reset();
  EXPECT_EQ(lane.host.in_flight(), 0U);
  EXPECT_EQ(lane.host.busy(), 0U);
  EXPECT_EQ(lane.host.finished(), 0U);
  EXPECT_EQ(lane.memory.request().words->kill_at_ns[7].load(std::memory_order_relaxed), 0U);
  lane.host.open(2);
  EXPECT_EQ(lane.host.open_epoch(), 2U);
  EXPECT_FALSE(lane.host.ready()) << "epoch 1 was ready, 2 is not yet";

  worker_lane successor(lane.memory.request(), lane.memory.response());
  EXPECT_EQ(successor.open_epoch(), 2U);
  lane.host.set_parked(parked::futex);
  successor.open(2);
  EXPECT_TRUE(lane.host.ready());
  EXPECT_NE(successor.doorbell().expected, worker_bell) << "opening rings: the successor may sleep on it";
  EXPECT_NE(lane.host.doorbell().expected, host_bell) << "doorbells only count up";
  EXPECT_EQ(successor.pending(), 0U);
  EXPECT_EQ(lane.post(), 0U);
  EXPECT_EQ(successor.pending(), bit(0));
  EXPECT_TRUE(successor.start(0, 1));
  EXPECT_FALSE(successor.abort_raised(0, successor.request(0).flags));
}

TEST(lane, a_lane_that_was_never_opened_is_not_ready) {
  lane_memory memory;
  const host_lane host(memory.request(), memory.response());
  EXPECT_FALSE(host.ready()) << "0 is no epoch";
}

TEST(lane, a_dead_worker_cannot_say_that_its_successor_is_ready) {
  lane_pair lane(1);
  ASSERT_TRUE(lane.host.ready());
  // The last deed of epoch 1: everything that epoch 2 might say, and answers to whatever will be posted.
  response_words& words = *lane.memory.response().words;
  words.ready_epoch.store(2, std::memory_order_relaxed);
  words.done.store(~std::uint64_t{0}, std::memory_order_relaxed);
  words.started.store(~std::uint64_t{0}, std::memory_order_relaxed);

  lane.host.reset();
  lane.host.open(2);
  EXPECT_FALSE(lane.host.ready()) << "a call posted now would be answered by the dead";
  worker_lane successor(lane.memory.request(), lane.memory.response());
  successor.open(2);
  EXPECT_TRUE(lane.host.ready());
  ASSERT_TRUE(lane.post().has_value());
  EXPECT_EQ(lane.host.finished(), 0U);
}

TEST(lane, the_worker_told_to_retire_and_the_worker_accepted_are_those_of_the_open_epoch) {
  lane_pair lane(9);
  const request_words& words = *lane.memory.request().words;
  EXPECT_EQ(words.accepted_epoch.load(std::memory_order_relaxed), 0U);
  lane.host.accept_ready();
  lane.host.request_retire();
  EXPECT_EQ(words.accepted_epoch.load(std::memory_order_relaxed), 9U);
  EXPECT_EQ(words.retire_request.load(std::memory_order_relaxed), 9U);
  lane.host.reset();
  EXPECT_EQ(words.retire_request.load(std::memory_order_relaxed), 0U);
}

}  // namespace

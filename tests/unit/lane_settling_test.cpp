// Proves shm/lane.hpp with both views in one process: calls taken back, aborted, answered and freed, and what an epoch
// leaves.

#include "shm/lane.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "tests/support/lane_pair.hpp"
#include "tests/support/random.hpp"

namespace {

using namespace selvage::shm;
using selvage::tests::lane_memory;
using selvage::tests::lane_pair;

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

TEST(lane, a_kill_time_does_not_outlive_its_call) {
  lane_pair lane;
  ASSERT_EQ(lane.post(), 0U);
  ASSERT_EQ(lane.post(), 1U);
  lane.host.kill_at(0, 12345);
  lane.host.kill_at(1, 23456);
  lane.finish(lane.start_next());
  lane.settle_and_free(0);
  const request_words& words = *lane.memory.request().words;
  EXPECT_EQ(words.kill_at_ns[0].load(std::memory_order_relaxed), 0U)
      << "the next call in the slot would be killed for it";
  EXPECT_EQ(words.kill_at_ns[1].load(std::memory_order_relaxed), 23456U);
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

// The pool's shape: callers post under a lock, a collector looks at any time. Also what the thread sanitizer gets to
// see.
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
        const std::lock_guard held(lock);
        lane.host.settle(slot);
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
  lane.worker.wake_host(every_slot, false);
  EXPECT_EQ(lane.host.doorbell().expected, before);
  lane.host.set_parked(parked::futex);
  lane.worker.wake_host(every_slot, false);
  lane.worker.wake_host(every_slot, true);
  EXPECT_EQ(lane.host.doorbell().expected, before + 2);
}

TEST(lane, answers_of_quiet_slots_ring_nobody) {
  lane_pair lane;
  const std::uint32_t before = lane.host.doorbell().expected;
  lane.host.set_quiet(bit(3) | bit(4));
  lane.host.set_parked(parked::futex);
  EXPECT_FALSE(lane.worker.wake_host(bit(3), false));
  EXPECT_FALSE(lane.worker.wake_host(bit(3) | bit(4), true));
  EXPECT_EQ(lane.host.doorbell().expected, before);
  EXPECT_TRUE(lane.worker.wake_host(bit(5), false));
  EXPECT_TRUE(lane.worker.wake_host(bit(4) | bit(5), false));
  EXPECT_TRUE(lane.worker.wake_host(every_slot, false));
  lane.host.set_quiet(0);
  EXPECT_TRUE(lane.worker.wake_host(bit(3), false));
  EXPECT_EQ(lane.host.doorbell().expected, before + 4);
  lane.host.set_quiet(bit(3));
  lane.host.reset();
  lane.host.set_parked(parked::futex);
  EXPECT_TRUE(lane.worker.wake_host(bit(3), false)) << "of another epoch";
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
  lane.host.request_retire(recycle_reason::calls);
  EXPECT_EQ(words.accepted_epoch.load(std::memory_order_relaxed), 9U);
  EXPECT_EQ(words.retire_request.load(std::memory_order_relaxed), 9U);
  lane.host.reset();
  EXPECT_EQ(words.retire_request.load(std::memory_order_relaxed), 0U);
}

}  // namespace

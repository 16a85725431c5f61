// What the supervisor makes of a lane's words while others write them.

#include <gtest/gtest.h>

#include <thread>

#include "supervisor/lane_look.hpp"
#include "tests/support/lane_memory.hpp"

namespace selvage::supervisor {
namespace {

/// A lane with both of its ends.
struct two_ends {
  tests::lane_memory memory;
  shm::host_lane host{memory.request(), memory.response()};
  shm::worker_lane worker{memory.request(), memory.response()};

  unsigned post(std::uint64_t call_id, std::uint64_t posted_at, std::uint64_t limit) {
    const unsigned slot = host.claim().value();
    shm::request_header& header = host.header(slot);
    header.call_id.store(call_id, std::memory_order_relaxed);
    header.posted_at_ns.store(posted_at, std::memory_order_relaxed);
    header.limit_ns.store(limit, std::memory_order_relaxed);
    host.kill_at(slot, 0);
    host.publish(slot);
    return slot;
  }
  [[nodiscard]] lane_look look() const { return look_at(memory.request(), memory.response()); }
};

TEST(deadline_look, an_empty_lane_has_nothing_in_flight) {
  const two_ends lane;
  EXPECT_EQ(lane.look().in_flight, 0U);
  EXPECT_EQ(lane.look().known, 0U);
}

TEST(deadline_look, a_call_is_seen_posted_then_started_then_gone_around_the_ring_three_times) {
  two_ends lane;
  for (std::uint64_t i = 1; i <= 3 * shm::slots_per_lane; ++i) {
    const unsigned slot = lane.post(i, 10 * i, 5);
    lane_look seen = lane.look();
    EXPECT_EQ(seen.in_flight, shm::bit(slot));
    EXPECT_EQ(seen.known, shm::bit(slot));
    EXPECT_EQ(seen.started, 0U);
    EXPECT_EQ(seen.calls[slot].call_id, i);
    EXPECT_EQ(seen.calls[slot].posted_at_ns, 10 * i);
    EXPECT_EQ(seen.calls[slot].limit_ns, 5U);
    (void)lane.worker.start(slot, 10 * i + 1);
    seen = lane.look();
    EXPECT_EQ(seen.started, shm::bit(slot));
    EXPECT_EQ(seen.calls[slot].started_at_ns, 10 * i + 1);
    lane.worker.finish(slot);
    EXPECT_EQ(lane.look().in_flight, 0U);
    EXPECT_NE(lane.look().done, seen.done);
    lane.host.settle(slot);
    lane.host.free(slot);
    EXPECT_EQ(lane.look().in_flight, 0U);
  }
}

TEST(deadline_look, bits_that_only_the_worker_toggled_make_no_call) {
  two_ends lane;
  for (unsigned slot = 0; slot < shm::slots_per_lane; ++slot) {
    lane.worker.finish(slot);
    (void)lane.worker.start(slot, 1);
  }
  EXPECT_EQ(lane.look().in_flight, 0U);
}

TEST(deadline_look, a_slot_that_is_reused_while_it_is_read_never_mixes_two_calls) {
  two_ends lane;
  std::atomic<bool> over{false};
  std::thread traffic([&] {
    for (std::uint64_t id = 1; !over.load(std::memory_order_relaxed); ++id) {
      const unsigned slot = lane.post(id, id + 1'000'000, id + 2'000'000);
      (void)lane.worker.start(slot, id + 3'000'000);
      lane.worker.finish(slot);
      lane.host.settle(slot);
      lane.host.free(slot);
    }
  });
  std::uint64_t calls = 0, mixed = 0;
  for (int i = 0; i < 200'000 || (calls == 0 && i < 20'000'000); ++i) {
    const lane_look seen = lane.look();
    shm::for_each_from(seen.known, 0, [&](unsigned slot) {
      const call_look& call = seen.calls[slot];
      ++calls;
      if (call.posted_at_ns != call.call_id + 1'000'000 || call.limit_ns != call.call_id + 2'000'000) ++mixed;
      if (shm::test(seen.started, slot) && call.started_at_ns < call.call_id + 3'000'000) ++mixed;
    });
  }
  over.store(true, std::memory_order_relaxed);
  traffic.join();
  EXPECT_GT(calls, 0U);
  EXPECT_EQ(mixed, 0U) << "of " << calls;
}

}  // namespace
}  // namespace selvage::supervisor

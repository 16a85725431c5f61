#pragma once
// One lane with both of its sides in one process, for tests: post here, start and finish there. Called by tests only.

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <optional>

#include "shm/lane.hpp"
#include "tests/support/lane_memory.hpp"

namespace selvage::tests {

/// One lane with an open epoch. Calls carry a number that counts up, so that order can be seen.
struct lane_pair {
  lane_memory memory;
  shm::host_lane host{memory.request(), memory.response()};
  shm::worker_lane worker{memory.request(), memory.response()};
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

}  // namespace selvage::tests

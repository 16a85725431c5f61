#pragma once
// What a test's task can find out about the worker that it runs in, and what it can tell the test.
// Called by tests/crash/pool_*_test.cpp only.

#include <atomic>
#include <bit>
#include <cstdint>

#include "shm/bits.hpp"
#include "shm/doorbell.hpp"
#include "tests/support/lane_memory.hpp"
#include "tests/victims/victims.hpp"

namespace selvage::test {

/// In a task: the slot of the one call that runs in this worker.
[[nodiscard]] inline unsigned slot_that_runs() {
  const victims::lane_of_worker lane = victims::own_lane();
  const std::uint64_t running = lane.response.words->started.load() ^ lane.response.words->done.load();
  return static_cast<unsigned>(std::countr_zero(running));
}

/// Words that the test and every process of its pools share: tasks capture them and write there.
class blackboard {
 public:
  using word = std::atomic<std::uint64_t>;
  blackboard() : words_(shm::page_bytes / sizeof(word)) {}
  word& operator[](std::size_t i) const { return words_[i]; }

 private:
  tests::shared_array<word> words_;
};

}  // namespace selvage::test

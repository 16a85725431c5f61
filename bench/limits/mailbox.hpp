#pragma once
// The limit of 64 calls in flight: the mailbox alone, between two processes that spin. Two one-way regions, each
// written by one side; 64 slots with 128-byte headers; posted and done as toggled bits, published call by call; the
// other side's parked word looked at once a batch. One int goes in and one comes out: no futures, no codec, no task
// table.
//
// Called by: the throughput benchmark. Never: sleeps in a sample.

#include <cstddef>
#include <vector>

#include "process.hpp"

namespace limits {

class mailbox_64 {
 public:
  static constexpr unsigned slots = 64;
  static constexpr unsigned calls_per_sample = 4096;

  explicit mailbox_64(int peer_cpu = any_cpu);

  /// Returns: nanoseconds per call. The window of 64 calls is filled before the first sample and drained after the
  /// last. Throws std::logic_error where a result is wrong.
  [[nodiscard]] std::vector<double> sample(std::size_t count);

 private:
  struct regions;

  static void serve(regions& shared) noexcept;
  void post();
  void collect();

  shared_memory memory_;
  regions& regions_;
  peer peer_;
  // Counts of calls; a slot is the count modulo 64, for both sides go through the slots in ring order.
  std::uint64_t posted_ = 0;
  std::uint64_t collected_ = 0;
  std::uint64_t posted_bits_ = 0;
  std::uint64_t done_bits_ = 0;  // as last seen
  std::uint64_t sum_ = 0;
};

}  // namespace limits

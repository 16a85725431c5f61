#pragma once
// The limit of a call's round trip: one word each way between two processes that spin, each word on a cache line of
// its own.
//
// Called by: the latency benchmarks, and by the harness to see whether the machine is quiet. Never: sleeps in a sample.
//
//   limits::ping_pong raw;
//   std::vector<double> ns = raw.sample(200);   // each the mean of 32 round trips

#include <cstddef>
#include <vector>

#include "process.hpp"

namespace limits {

class ping_pong {
 public:
  static constexpr unsigned round_trips_per_sample = 32;

  explicit ping_pong(int peer_cpu = any_cpu);

  /// Returns: nanoseconds per round trip. Cost: 1 to 30 ms to warm up, then 10 us for each.
  [[nodiscard]] std::vector<double> sample(std::size_t count);

 private:
  struct words;

  static void serve(words& shared) noexcept;
  void round_trip(std::uint64_t number) const;

  shared_memory memory_;
  words& words_;
  peer peer_;
  std::uint64_t number_ = 0;
};

}  // namespace limits

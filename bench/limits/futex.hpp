#pragma once
// The limits of waking: what two processes that sleep need to wake each other, with nothing around it.
//
// Called by: the wake benchmarks, one sample at a time, for limit and figure alternate call by call. Never: spins
// while it waits for the other side. The caller lets the idle time pass before each sample.

#include <cstddef>
#include <vector>

#include "process.hpp"

namespace limits {

/// Both ways: wake the sleeping peer, sleep until it has woken us.
class futex_pair {
 public:
  explicit futex_pair(int peer_cpu = any_cpu);
  /// Returns: microseconds per round trip.
  [[nodiscard]] std::vector<double> sample(std::size_t count);

 private:
  struct words;
  static void serve(words& shared) noexcept;

  shared_memory memory_;
  words& words_;
  peer peer_;
  std::uint32_t number_ = 0;
};

/// One way: the peer lets a task's time pass (limits::pass_time) and then wakes us, who have slept since.
class futex_one_way {
 public:
  explicit futex_one_way(std::uint64_t task_ns, int peer_cpu = any_cpu);
  /// Returns: microseconds from the peer's stamp, taken before it stores and wakes, to our first instruction. Cost: the
  /// task's time for each.
  [[nodiscard]] std::vector<double> sample(std::size_t count);

 private:
  struct words;
  static void serve(words& shared, std::uint64_t task_ns) noexcept;

  shared_memory memory_;
  words& words_;
  peer peer_;
  std::uint32_t number_ = 0;
};

}  // namespace limits

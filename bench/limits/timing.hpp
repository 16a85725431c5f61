#pragma once
// How a call that is too short for the clock is timed, figure and limit alike: in batches, after a warm-up.
//
// Called by: limits and benchmarks. Never: looks inside the call.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "process.hpp"

namespace limits {

/// Calls `call` until 1 ms has passed and one call takes less than `apart_ns`, for 30 ms at most. Both processes of a
/// pair may start on one processor: they are moved apart at a tick of the scheduler only, which is 4 ms and more away.
template <class Call>
void warm_up(double apart_ns, Call&& call) {
  constexpr std::uint64_t least_ns = 1'000'000;
  constexpr std::uint64_t most_ns = 30'000'000;
  constexpr unsigned calls_per_look = 32;
  const std::uint64_t begin = now_ns();
  std::uint64_t before = begin;
  for (;;) {
    for (unsigned i = 0; i < calls_per_look; ++i) call();
    const std::uint64_t now = now_ns();
    const bool apart = static_cast<double>(now - before) < apart_ns * calls_per_look;
    if (now - begin > most_ns || (now - begin > least_ns && apart)) return;
    before = now;
  }
}

/// Returns: `count` samples, each the mean of `batch` calls, in nanoseconds.
template <class Call>
[[nodiscard]] std::vector<double> time_batches(std::size_t count, unsigned batch, Call&& call) {
  std::vector<double> samples(count);
  for (double& each : samples) {
    const std::uint64_t begin = now_ns();
    for (unsigned i = 0; i < batch; ++i) call();
    each = static_cast<double>(now_ns() - begin) / batch;
  }
  return samples;
}

}  // namespace limits

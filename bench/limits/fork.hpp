#pragma once
// The limits of starting processes: fork, _exit and wait, with nothing in between.
//
// Called by: the lifecycle benchmarks, in the process that holds the pool, so that both fork from a process of the same
// size. Never: leaves a child behind.

#include <cstddef>
#include <vector>

namespace limits {

/// Returns: microseconds for one child that exits at once. Throws std::system_error where fork fails.
[[nodiscard]] std::vector<double> fork_exit_wait(std::size_t count);

/// Returns: microseconds for five of them, a pool of four and its supervisor: all forked, then all waited for.
[[nodiscard]] std::vector<double> five_forks(std::size_t count);

}  // namespace limits

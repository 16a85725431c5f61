#pragma once
// The same items run three ways, under the same limits: in this process, in a pool, and in a fork for each. Called by
// main in turn, which compares what came out.

#include <chrono>
#include <vector>

#include <selvage/bytes.hpp>
#include <selvage/stats.hpp>

#include "items.hpp"

namespace unpack {

using namespace selvage::literals;

inline constexpr std::chrono::seconds time_limit{2};    ///< for one item
inline constexpr selvage::bytes memory_limit = 64_MiB;  ///< for one process, beyond what it starts with

struct run {
  std::vector<ending> endings{};               ///< one for each item, in their order
  std::chrono::duration<double> files_time{};  ///< until the last file was done, hostile items or not
  std::chrono::duration<double> time{};        ///< until all was over
};

struct pool_run : run {
  unsigned workers = 0;
  selvage::restart_stats restarts{};
};

/// One after another, in this process: what zlib gives. Hostile items are not run: they end as errc::aborted.
[[nodiscard]] run run_here(const std::vector<item>& items);

/// As calls of a pool. The time is from before the pool is built until it is gone. `workers` 0: one for each core.
[[nodiscard]] pool_run run_in_pool(const std::vector<item>& items, unsigned workers);

/// What one would write without a pool: a forked child for each item, `at_once` of them at a time, its result through
/// a pipe, its memory limited and its deadline watched.
[[nodiscard]] run run_in_forks(const std::vector<item>& items, unsigned at_once);

}  // namespace unpack

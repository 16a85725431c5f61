#pragma once
// A pool's figures, as a value taken at one moment. Counts are since the pool was built and never go down.

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace selvage {

/// Service times by powers of two: bucket i counts runs of [2^i, 2^(i+1)) nanoseconds; the last one everything longer
/// (about 9 minutes). As told by the workers, so a lying worker can only falsify its own.
struct service_histogram {
  std::array<std::uint64_t, 40> buckets{};
  [[nodiscard]] std::uint64_t count() const noexcept;
  /// An upper bound of the q-quantile, 0 < q <= 1; zero where nothing was counted.
  [[nodiscard]] std::chrono::nanoseconds quantile(double q) const noexcept;
};

struct task_stats {
  std::string name{};
  unsigned task_class = 0;  ///< that of the lanes which run it
  std::uint64_t succeeded = 0;
  std::uint64_t failed = 0;  ///< with whatever errc
  service_histogram service{};
};

struct lane_stats {
  std::uint64_t epoch = 0;      ///< of the worker that is there now, from 1
  std::int32_t worker_pid = 0;  ///< 0 while there is none
  bool ready = false;
  bool failed = false;      ///< its restart budget is spent: no worker will come any more
  unsigned task_class = 0;  ///< counted up by the limits and permissions of tasks, in the order of the tasks
  unsigned in_flight = 0;
  std::uint64_t posted = 0;
  std::uint64_t settled = 0;
  std::uint64_t bad_responses = 0;  ///< answers that were no valid answers
  std::uint64_t forged = 0;         ///< answers for calls that were not posted, and crash records that were not true
  std::uint64_t refusals = 0;       ///< system calls that its workers were refused, as told by them
  int landlock = 0;              ///< version that confines its worker's files, ports and signals; 0: none is needed, or
                                 ///< there is none and permissions::best_effort
  bool threads_counted = false;  ///< its worker has no more threads than it may
  std::uint64_t request_bytes_reserved = 0;
};

/// Why workers were replaced. A worker that ends before it was ready counts under failed_starts only.
struct restart_stats {
  std::uint64_t crashed = 0;
  std::uint64_t exited = 0;
  std::uint64_t timed_out = 0;
  std::uint64_t aborted = 0;
  std::uint64_t cpu_limit = 0;
  std::uint64_t memory_limit = 0;  ///< killed for it; an allocation that fails ends no worker, and is not counted here
  std::uint64_t thread_limit = 0;  ///< the same
  std::uint64_t recycled_calls = 0;
  std::uint64_t recycled_resident = 0;
  std::uint64_t recycled_age = 0;
  std::uint64_t recycled_memory = 0;  ///< what their tasks had left behind took up their limit of memory
  std::uint64_t failed_starts = 0;    ///< ended or killed before it was ready, or could not be forked
};

struct pool_stats {
  unsigned in_flight = 0;    ///< posted to workers
  unsigned queued = 0;       ///< waiting in this process
  std::uint64_t posted = 0;  ///< calls given to workers, moves included
  std::uint64_t succeeded = 0;
  std::uint64_t failed = 0;
  std::uint64_t moved = 0;                     ///< taken from a dead or busy worker to another, unseen by their callers
  std::uint64_t recalled = 0;                  ///< of these, taken back from a busy one
  std::uint64_t ran_inline = 0;                ///< run by the inline lane
  std::chrono::nanoseconds processor_time{0};  ///< of its workers, those that are gone as well
  restart_stats restarts{};
  std::vector<lane_stats> lanes{};
  std::vector<task_stats> tasks{};
};

}  // namespace selvage

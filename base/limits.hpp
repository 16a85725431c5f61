#pragma once
// What one worker may use, in the kernel's units. Made by start/ out of the pool's options; obeyed by the worker, which
// sets what the kernel enforces, and by the supervisor, which watches the rest. 0: no limit of ours.

#include <algorithm>
#include <cstdint>

namespace selvage::base {

inline constexpr std::uint32_t any_number_of_threads = ~std::uint32_t{0};

struct limits {
  std::uint64_t memory_bytes = 0;  ///< private memory above what the worker had when it was ready
  std::uint64_t cpu_ns = 0;        ///< processor time of one call
  std::uint64_t file_bytes = 0;    ///< how far into a file a task may write
  std::uint64_t stack_bytes = 0;   ///< of the thread that runs tasks
  std::uint32_t files = 0;         ///< descriptors open at once, beside the worker's own
  std::uint32_t threads =
      any_number_of_threads;         ///< threads and descendants at once, beside the thread that runs tasks
  bool threads_if_possible = false;  ///< where they cannot be counted, there may be any number
  bool may_fork = true;              ///< there may be descendants at all
  bool may_leave_session = true;     ///< they may be in a session that does not tell whose they are
  /// Threads and descendants where they are not counted: a worker that is seen with more is killed.
  std::uint32_t threads_seen = 0;

  friend bool operator==(const limits&, const limits&) = default;
  [[nodiscard]] bool counts_threads() const noexcept { return threads != any_number_of_threads; }
  /// What the kernel does not stop a worker from is looked for while it runs.
  [[nodiscard]] bool is_looked_at() const noexcept { return memory_bytes != 0 || threads_seen != 0; }
  /// No worker gets beyond these sooner: it would have to fill `memory_left` faster than memory can be filled.
  [[nodiscard]] std::uint64_t shortest_use_ns(std::uint64_t memory_left) const noexcept {
    constexpr std::uint64_t bytes_per_ns = 8, shortest_fill_ns = 5'000'000, crowd_ns = 100'000'000;
    std::uint64_t shortest = ~std::uint64_t{0};
    if (memory_bytes != 0) shortest = std::max(memory_left / bytes_per_ns, shortest_fill_ns);
    if (threads_seen != 0) shortest = std::min(shortest, crowd_ns);
    return shortest;
  }
  [[nodiscard]] std::uint64_t shortest_use_ns() const noexcept { return shortest_use_ns(memory_bytes); }
};

}  // namespace selvage::base

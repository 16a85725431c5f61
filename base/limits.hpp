#pragma once
// What one worker may use, in the kernel's units. Made by start/ out of the pool's options; obeyed by the worker, which
// sets what the kernel enforces, and by the supervisor, which watches the rest. 0: no limit of ours.

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

  friend bool operator==(const limits&, const limits&) = default;
  [[nodiscard]] bool counts_threads() const noexcept { return threads != any_number_of_threads; }
};

}  // namespace selvage::base

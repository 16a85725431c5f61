#pragma once
// One process as /proc tells of it. Called by: child_list.cpp, thread_census.cpp, usage_meter.cpp, recycle_policy.cpp.
// Never: throws, or allocates. Source: proc_pid_stat(5)

#include <array>
#include <cstdint>
#include <string_view>

namespace selvage::supervisor {

using proc_text = std::array<char, 4096>;

/// /proc/[pid]/[file] as far as it fits, with a zero behind it; empty where the process is gone.
[[nodiscard]] std::string_view read_proc(int pid, const char* file, proc_text& text) noexcept;

/// What is used here of /proc/[pid]/stat; zeros where the process is gone. Cost: about 5 us.
struct process_stat {
  int parent = 0;
  bool has_not_executed = false;       ///< it was forked, and no program was executed since
  std::uint64_t waited_for_ticks = 0;  ///< of its dead children, user and system
  std::uint64_t threads = 0;
  std::uint64_t started_ns = 0;  ///< since the machine was, in whole ticks
};
[[nodiscard]] process_stat stat_of(int pid) noexcept;

/// A tick of the figures of /proc, nearly always 10 ms.
[[nodiscard]] std::uint64_t tick_ns() noexcept;

}  // namespace selvage::supervisor

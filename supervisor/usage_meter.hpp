#pragma once
// What a worker and the processes that it has started use of memory and of processors, read from /proc, and whether
// that is more than they may. The kernel enforces `memory` by RLIMIT_DATA, which does not count what is made read-only
// again and counts every process by itself: this is what stands behind it.
//
//   no tick: a worker is looked at when it could have used up what it had left at the last look, and once a second
//   while it runs nothing
//
// Called by: ward.cpp. Never: kills, believes the worker, or walks its processes more than a twentieth of the time.
//
// What a process shares with the one that forked it counts once, where we may look at the two. Where we may not, it
// counts for both, once the process is a second old or its parent is gone: before that, it may only have been made to
// execute a program. Source: proc_pid_status(5), proc_pid_stat(5)

#include <cstdint>
#include <optional>
#include <vector>

#include "base/limits.hpp"
#include "shm/layout.hpp"
#include "supervisor/process_tree.hpp"

namespace selvage::supervisor {

/// Beyond its limit of memory that a worker is let go: pages of the program that it has written to, and its stack.
inline constexpr std::uint64_t memory_slack_bytes = std::uint64_t{16} << 20U;

/// Private memory of a process, resident and swapped out; 0 where it is gone. Cost: about 20 us.
[[nodiscard]] std::uint64_t private_bytes(int pid) noexcept;

class usage_meter {
 public:
  usage_meter(const base::limits& limits, const process_tree& tree) noexcept : limits_(limits), tree_(tree) {}

  /// Another worker, which begins with the memory that this process has now. Cost: 20 us where memory is limited.
  void begin(std::uint64_t now_ns) noexcept;

  /// Processor time of the worker and its descendants, those that it has waited for included; of those that nobody
  /// waits for, as long as they live. Never less than before. `exactly`: not what was found a moment ago.
  [[nodiscard]] std::uint64_t processor_time_ns(int worker, bool exactly);

  struct excess {
    shm::verdict_reason reason;  ///< memory_limit or thread_limit
    std::uint64_t used;          ///< bytes, or threads
  };
  /// Nothing where it is not yet time for a look, or all is well.
  [[nodiscard]] std::optional<excess> look(int worker, std::uint64_t now_ns, bool busy);
  /// When to call look() again; never_ns where there is nothing to look at.
  [[nodiscard]] std::uint64_t next_look_ns(bool busy) const noexcept;

 private:
  [[nodiscard]] const std::vector<int>& family_of(int worker);
  struct figures {
    std::uint64_t bytes = 0, threads = 0;
  };
  [[nodiscard]] figures figures_of(int worker);
  [[nodiscard]] std::uint64_t bytes_shared_once(int worker) const;
  [[nodiscard]] std::uint64_t most_bytes() const noexcept;

  const base::limits& limits_;
  const process_tree& tree_;
  std::vector<int> family_;
  std::uint64_t born_with_bytes_ = 0;
  std::uint64_t used_ns_ = 0;
  std::uint64_t walk_due_ns_ = 0;
  std::uint64_t look_due_ns_ = 0;
  std::uint64_t looked_ns_ = 0;
};

}  // namespace selvage::supervisor

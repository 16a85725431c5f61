#pragma once
// What dead workers leave behind: their descendants become children of the supervisor (a subreaper) and are killed and
// reaped here, generation after generation.
//
// Called by: ward.cpp after each death, supervisor.cpp on SIGCHLD and at the end. Never: touches a living worker, or
// blocks for more than about 2 ms. Requires: the process is a subreaper, or the strays go elsewhere.
//
// A stray whose session is that of a living worker is left alone: that worker made it. Workers begin with setsid(2), so
// a session names its worker. A stray with a session of its own cannot be told from a dead worker's, and is killed.

#include <cstdint>
#include <vector>

#include "base/limits.hpp"
#include "supervisor/child_list.hpp"

namespace selvage::supervisor {

class process_tree {
 public:
  void add_worker(int pid);
  /// It is dead and cannot be reaped yet: its descendants are strays from now on, itself is not.
  void mourn_worker(int pid) noexcept;
  void remove_worker(int pid) noexcept;

  /// Kills and reaps every stray, then the strays that those leave, and so on. Blocks: for 2 ms at most.
  /// Returns: whether none is left.
  [[nodiscard]] bool sweep();
  /// Reaps strays that have died by themselves; kills nobody.
  void reap() noexcept;
  /// Replaces `family` by a living worker and, where it may have any, its descendants and its strays with theirs: those
  /// in its session and, where it may leave that, those in a session of their own, which may be another worker's as
  /// well. Not many more than it may have. Cost: 5 us for each.
  void list_family_of(int worker, const base::limits& limits, std::vector<int>& family) const;

 private:
  [[nodiscard]] bool is_worker(int pid) const noexcept;
  [[nodiscard]] bool is_mourned(int pid) const noexcept;
  void kill_strays();
  bool reap_until(std::uint64_t deadline_ns) noexcept;

  child_list children_;
  std::vector<int> workers_;  // alive or not yet reaped, sorted
  std::vector<int> mourned_;  // of those, the dead; nearly always none
  std::vector<int> found_;    // children, of one round
  std::vector<int> strays_;   // of those, killed and not yet reaped
};

}  // namespace selvage::supervisor

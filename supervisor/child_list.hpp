#pragma once
// The children that this process has, as the kernel lists them.
//
// Called by: process_tree.cpp. Never: allocates when the vector has room, or waits.

#include <vector>

#include "base/unique_fd.hpp"

namespace selvage::supervisor {

/// Of the thread that constructs it, which is the only one here. Cost of a list: one read, about 2 us.
/// Source: proc(5), /proc/[pid]/task/[tid]/children; where the kernel lacks it, all of /proc is read.
class child_list {
 public:
  child_list();
  /// Replaces `pids` by the children, dead and not yet reaped ones included.
  void list(std::vector<int>& pids) const;

 private:
  base::unique_fd file_;
};

/// Appends those that another process has started and that live. Nothing where the kernel lacks the files.
void append_children_of(int pid, std::vector<int>& pids);

/// The same found out the long way: whose parent am I? Cost: milliseconds where there are many processes.
void find_children_in_proc(std::vector<int>& pids);

}  // namespace selvage::supervisor

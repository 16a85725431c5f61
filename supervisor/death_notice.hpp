#pragma once
// The supervisor's death notice: whatever kills it, the kernel marks a word of the segment and wakes a waiter.
//
// Called by: supervisor.cpp, once. Never: a lock. It borrows the list of robust futexes, which the kernel walks
// whenever a thread ends, SIGKILL included. The C library's own list of this thread is replaced: the supervisor has no
// robust mutexes.
// Source: get_robust_list(2), Documentation/locking/robust-futex-ABI.rst.

#include <linux/futex.h>

#include "shm/layout.hpp"

namespace selvage::supervisor {

class death_notice {
 public:
  /// Stores thread id | FUTEX_WAITERS in `life` and registers it for the calling thread. Both must outlive the thread.
  explicit death_notice(shm::word32& life);
  death_notice(const death_notice&) = delete;
  death_notice& operator=(const death_notice&) = delete;

 private:
  robust_list_head head_;
  robust_list entry_;  // the one element: `life` lies at a fixed distance from it
};

}  // namespace selvage::supervisor

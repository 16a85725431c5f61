#pragma once
// The supervisor: one process, one thread, that forks the workers of a pool, watches them, kills what overstays, reaps
// whole process trees, says in shared memory how each worker ended, and starts the next.
//
// Called by: start/, in a process of its own (forked or spawned). Never: touches a payload, runs a task, or waits for
// the host. Its state machines (restart policy, deadlines) are pure and live in files of their own.

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/limits.hpp"
#include "base/unique_fd.hpp"
#include "shm/segment.hpp"
#include "supervisor/recycle_policy.hpp"
#include "supervisor/restart_policy.hpp"

namespace selvage::supervisor {

/// What the newborn worker is told. It is called in the child, right after fork, and must not return.
struct worker_birth {
  unsigned lane;
  std::uint64_t epoch;
  int stderr_fd;         ///< write end of the pipe that the supervisor drains, or -1: leave fd 2 alone
  int supervisor_pidfd;  ///< to see after PR_SET_PDEATHSIG that the parent still lives
  int guard_line;        ///< where the worker sends the listener by which its threads are counted, or -1: they are not
};

struct orders {
  shm::geometry shape;
  shm::descriptors segment;  ///< inherited by the workers, which close both after mapping
  base::unique_fd bell;      ///< eventfd: the host rings after changing a control word
  base::unique_fd host_pidfd;
  int host_pid = 0;
  recycle_policy recycle{};
  restart_policy restart{};
  std::string name = "selvage";  ///< of the pool: the process is NAME-super, cut where the kernel's 15 characters end
  std::chrono::nanoseconds retire_patience{std::chrono::seconds(5)};  ///< at shutdown: then a retiring worker is killed
  bool capture_stderr = true;
  std::vector<base::limits> limits{};  ///< of each lane's workers; may be empty: none
  std::vector<int> keep{};  ///< descriptors that the workers inherit besides the segment's; all others are closed
  std::vector<int> worker_events{};  ///< by lane: the eventfd of a worker that sleeps in its event loop; may be empty
  std::function<void(const worker_birth&)> enter_worker;
};

/// Makes the calling process the supervisor and runs until the host orders the end, or dies: then exit status 0. Ends
/// with 70 and one line on standard error where it cannot begin. However it ends, the kernel marks
/// supervisor_control::life; that word is 0 until the supervisor watches over its workers.
/// Requires: the calling process has one thread.
[[noreturn]] void run(orders given);

}  // namespace selvage::supervisor

#pragma once
// The supervisor: one process, one thread, that forks the workers of a pool, watches them, kills what overstays, reaps whole
// process trees, says in shared memory how each worker ended, and starts the next.
//
// Called by: start/, in a process of its own (forked or spawned). Never: touches a payload, runs a task, or waits for the host.
// Its state machines (restart policy, deadlines) are pure and live in files of their own.

#include <chrono>
#include <cstdint>
#include <functional>

#include "base/unique_fd.hpp"
#include "shm/segment.hpp"

namespace selvage::supervisor {

/// When a worker is replaced although it is well. 0 and never_ns: not for that reason.
struct recycle_policy {
  std::uint64_t resident_bytes = 0;          ///< VmRSS minus shared pages, sampled
  std::chrono::nanoseconds age{0};
  double jitter = 0.1;                       ///< each worker's age limit is drawn from age * [1 - jitter, 1 + jitter]
  std::chrono::nanoseconds sample{std::chrono::milliseconds(100)};  ///< of resident memory
};

struct restart_policy {
  std::uint32_t budget = 5;                  ///< consecutive deaths before ready; one more and the lane has failed
  std::chrono::nanoseconds backoff_first{std::chrono::milliseconds(10)};
  std::chrono::nanoseconds backoff_limit{std::chrono::seconds(1)};
  std::chrono::nanoseconds start_timeout{std::chrono::seconds(30)};   ///< fork to ready
};

/// What the newborn worker is told. It is called in the child, right after fork, and must not return.
struct worker_birth {
  unsigned lane;
  std::uint64_t epoch;
  int stderr_fd;        ///< write end of the pipe that the supervisor drains, or -1: leave fd 2 alone
  int supervisor_pidfd; ///< to see after PR_SET_PDEATHSIG that the parent still lives
};

struct orders {
  shm::geometry shape;
  shm::descriptors segment;       ///< inherited by the workers, which close both after mapping
  base::unique_fd bell;           ///< eventfd: the host rings after changing a control word
  base::unique_fd host_pidfd;
  int host_pid = 0;
  recycle_policy recycle;
  restart_policy restart;
  std::chrono::nanoseconds retire_patience{std::chrono::seconds(5)};  ///< at shutdown: then a retiring worker is killed
  bool capture_stderr = true;
  std::function<void(const worker_birth&)> enter_worker;
};

/// Runs until the host orders the end, or dies. Exit status 0.
[[noreturn]] void run(orders given);

}  // namespace selvage::supervisor

#pragma once
// Brings a pool's processes up. The one folder that sees pool, supervisor and worker together.
//
//   fork.cpp   start::fork: the supervisor is a fork of the host
//   spawn.cpp  start::spawn: the supervisor is this executable started afresh; arrival.cpp is the other end of that
//   crew.cpp   what both ways share: a worker's birth, from the supervisor's words to the worker's; and its seal, from
//              the words of the options to those of the kernel

#include <memory>
#include <span>
#include <vector>

#include <selvage/detail/task_record.hpp>
#include <selvage/options.hpp>

#include "pool/core.hpp"
#include "supervisor/supervisor.hpp"
#include "worker/sandbox/sandbox.hpp"

namespace selvage::launch {

/// start::fork. Warns once on standard error where the program has threads of its own.
/// Errors: std::system_error where the fork fails.
[[nodiscard]] detail::launched by_fork(const detail::launch_request& request);

/// start::spawn. Blocks: until the fresh process has taken its orders, at most restart_options::start_timeout.
/// Errors: selvage::error invalid_options where the program has not called selvage::init, or names the task or
/// option that cannot travel: before anything is started. worker_start_failed, with the reason, where the fresh
/// process does not come up: it is gone then. std::system_error where it cannot be started at all.
[[nodiscard]] detail::launched by_spawn(const detail::launch_request& request);

/// What the workers of one class of tasks have in common.
struct worker_kind {
  host::worker_class of;
  worker::sandbox::plan seal;
};

/// What the workers of a pool have in common, by value: it lives in the supervisor.
struct crew {
  pool_options options;
  std::vector<worker_kind> kinds;  ///< each has as many lanes as any other, in this order
  shm::geometry shape;
  int read_write_fd = -1;
  int read_only_fd = -1;
  std::vector<int> event_fds;
  std::uint64_t payload_cap = 0;
  std::vector<detail::task_entry> tasks;

  [[nodiscard]] const worker_kind& of_lane(unsigned lane) const noexcept {
    return kinds[lane / (shape.lanes / kinds.size())];
  }
};

/// Of permissions that are resolved. Holds the granted files open. Errors: std::system_error where a filter cannot be
/// built, or a granted path is gone.
[[nodiscard]] std::vector<worker_kind> kinds_of(std::span<const host::worker_class> classes, on_violation then);

/// Becomes a worker. Called in the newborn child; does not return.
[[noreturn]] void enter_worker(const crew& crew, const supervisor::worker_birth& birth);

/// What becomes the supervisor's own.
struct supervisor_kit {
  shm::descriptors segment;
  base::unique_fd bell;
  base::unique_fd host_pidfd;
  int host_pid = 0;
};

/// Makes the calling process the supervisor of this crew, which must live as long as the process.
/// Requires: one thread.
[[noreturn]] void become_supervisor(const crew& workers, supervisor_kit kit);

}  // namespace selvage::launch

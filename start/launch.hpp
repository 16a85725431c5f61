#pragma once
// Brings a pool's processes up. The one folder that sees pool, supervisor and worker together.
//
//   fork.cpp   start::fork: the supervisor is a fork of the host
//   crew.cpp   what both ways share: a worker's birth, from the supervisor's words to the worker's

#include <memory>
#include <span>
#include <vector>

#include <selvage/detail/task_record.hpp>
#include <selvage/options.hpp>

#include "pool/core.hpp"
#include "supervisor/supervisor.hpp"

namespace selvage::launch {

/// start::fork. Warns once on standard error where the program has threads of its own.
/// Errors: std::system_error where the fork fails.
[[nodiscard]] detail::launched by_fork(const detail::launch_request& request);

/// What the workers of a pool have in common, by value: it lives in the supervisor.
struct crew {
  pool_options options;
  shm::geometry shape;
  int read_write_fd = -1;
  int read_only_fd = -1;
  std::vector<int> event_fds;
  std::uint64_t payload_cap = 0;
  std::vector<detail::task_entry> tasks;
};

/// Becomes a worker. Called in the newborn child; does not return.
[[noreturn]] void enter_worker(const crew& crew, const supervisor::worker_birth& birth);

/// The supervisor's orders for this crew, but for the descriptors, which the caller moves in.
[[nodiscard]] supervisor::orders orders_for(const crew& crew);

}  // namespace selvage::launch

#pragma once
// A worker: the process in which tasks run. Boots by a numbered checklist, maps its one lane, seals itself, says
// that it is ready, then takes calls, runs them and replies until it is told to retire or dies.
//
// Called by: start/, in a child forked by the supervisor. Never: sees another lane, returns to its caller, or runs
// the exit handlers of the program that it was forked from.

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <selvage/detail/task_entry.hpp>
#include "base/limits.hpp"
#include "shm/segment.hpp"
#include "worker/idle.hpp"
#include "worker/sandbox/sandbox.hpp"

namespace selvage::worker {

/// This worker's place. The descriptors are closed during the boot, except event_fd.
struct seat {
  shm::geometry shape;
  unsigned lane = 0;
  std::uint64_t epoch = 0;
  int read_write_fd = -1;
  int read_only_fd = -1;
  int event_fd = -1;          ///< the host writes here while `parked` says `event`
  int stderr_fd = -1;         ///< becomes fd 2; -1 leaves it
  int supervisor_pidfd = -1;  ///< to see that the parent still lives once its death signal is asked for
  int guard_line = -1;        ///< to the supervisor, where threads are counted
};

/// How a worker's process ends by itself outside of its calls; 0 after it has retired.
inline constexpr int exit_unfit = 70;  ///< a step of the boot, the initializer or the finalizer failed: stderr says why
inline constexpr int exit_orphaned = 71;  ///< the supervisor was gone before the boot was done

struct settings {
  std::string name = "selvage";              ///< of the pool: the process is NAME-w3
  std::uint64_t response_initial_bytes = 0;  ///< of the response arena, reserved at the first use
  std::uint64_t payload_cap_bytes = 0;       ///< a larger result is payload_too_large
  base::limits limits{};                     ///< what it may use
  idle_options idle;                         ///< how it waits
  std::chrono::nanoseconds time_slice{0};    ///< 0: as it was born
  sandbox::plan seal{};                      ///< what it may do
  bool console = true;                       ///< standard output is left as it is; otherwise it leads nowhere
  std::optional<std::vector<std::string>> environment{};  ///< exactly this ("NAME=value"); nothing: as it is
  std::vector<int> inherit;                               ///< descriptors that tasks may use; every other one is closed
  std::function<void()> initializer;                      ///< runs before ready; what it throws ends the worker
  std::function<void()> finalizer;                        ///< runs when the worker retires
};

/// Boots, serves, ends. Requires: the calling process has one thread.
[[noreturn]] void run(const seat& place, const settings& given, std::span<const detail::task_entry> tasks);

}  // namespace selvage::worker

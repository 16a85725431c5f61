#pragma once
// How a newborn worker hands its supervisor the descriptor by which the threads and processes that it starts are
// counted: a socket that the supervisor made before the fork. The one thing that the two exchange beside the segment.
//
// Called by: worker/thread_guard.cpp (send), supervisor/ (the rest). Never: used once a task has run.
// Source: unix(7), SCM_RIGHTS

#include <cstdint>
#include <optional>

#include "base/unique_fd.hpp"

namespace selvage::shm {

struct guard_line {
  base::unique_fd supervisors;  ///< does not block
  base::unique_fd workers;      ///< of every worker to come
};
/// Errors: std::system_error.
[[nodiscard]] guard_line make_guard_line();

/// Whose descriptor it is.
struct guard_note {
  std::uint64_t epoch;
  std::uint32_t lane;
  std::uint32_t reserved;
};

/// Errors: std::system_error. Blocks: while the supervisor has not taken those before.
void send_guard(int line, const guard_note& note, int listener);

struct received_guard {
  guard_note note;
  base::unique_fd listener;
};
/// Nothing where nothing has come, or what came is not a note with one descriptor.
[[nodiscard]] std::optional<received_guard> receive_guard(int line) noexcept;

}  // namespace selvage::shm

#pragma once
// How a worker ended, judged and written down where the host reads it.
//
// Called by: ward.cpp. Never: believes the worker: a verdict rests on what the kernel says and on what the supervisor
// did.

#include <sys/resource.h>

#include <cstdint>

#include "shm/layout.hpp"

namespace selvage::supervisor {

/// What the supervisor meant when it killed a worker or told it to end.
struct sentence {
  shm::verdict_reason reason = shm::verdict_reason::none;  ///< none: it did neither
  unsigned slot = 0;
  std::uint64_t call_id = 0;
  std::uint64_t used = 0;  ///< of what was limited: see shm::verdict
  shm::recycle_reason recycle = shm::recycle_reason::none;
  bool killed = false;  ///< SIGKILL was sent; otherwise it was told to end between two calls
};

/// What the kernel says of a dead worker, and whether it died in the middle of a call (its own word, used against it).
struct ending {
  int wait_status = 0;  ///< of wait4(2)
  bool in_a_call = false;
  bool oom_killer = false;  ///< the machine's OOM killer was at work
  rusage used{};
};

/// The reason that stands. A sentence counts only where the worker ended the way in which it is carried out: by the
/// SIGKILL that was sent, or, where it was told to, between two calls. A finalizer that fails or crashes ends it too:
/// no call is to blame, and its status stays in the verdict.
[[nodiscard]] shm::verdict_reason judge(const sentence& meant, const ending& how) noexcept;

/// Everything of a verdict but the tail.
[[nodiscard]] shm::verdict make_verdict(std::uint64_t epoch, int pid, const sentence& meant,
                                        const ending& how) noexcept;

/// The same for a fork that failed. `error`: the errno.
[[nodiscard]] shm::verdict make_verdict_of_failed_fork(std::uint64_t epoch, int error) noexcept;

/// Writes `death`. Requires: the host has opened that epoch, so it has read the record before. Published by `closed`.
void write_death(shm::supervisor_lane& page, const shm::verdict& how) noexcept;

/// Writes `start_failure` under its sequence lock. SYNC start_failure
void write_start_failure(shm::supervisor_lane& page, const shm::verdict& how) noexcept;

}  // namespace selvage::supervisor

#pragma once
// What the supervisor sleeps on: one epoll over the bell, the host, the workers, their standard errors and SIGCHLD.
//
// Called by: supervisor.cpp and ward.cpp. Never: ticks. With nothing to do it sleeps without limit.

#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <span>

#include "base/unique_fd.hpp"

namespace selvage::supervisor {

enum class source : std::uint32_t {
  worker = 0,  ///< a worker's pidfd: it is dead
  errors = 1,  ///< there is something on a worker's standard error
  bell = 2,    ///< the host has changed a control word, or posted a call that is due before the next look
  host = 3,    ///< the host's pidfd: it is gone
  child = 4,   ///< SIGCHLD: some child has died, maybe no worker
  guards = 5,  ///< a newborn worker has sent the listener of its threads
  thread = 6,  ///< a worker wants to start a thread or a process, or nobody is left who could
};

struct report {
  source from;
  unsigned lane;
};

class watch {
 public:
  /// Requires: SIGCHLD is blocked.
  watch();

  /// Returns 0 or an errno.
  [[nodiscard]] int add(int fd, source from, unsigned lane) noexcept;
  /// Before the descriptor is closed: a newborn worker may still hold a copy, and epoll watches what is behind it.
  void remove(int fd) noexcept;

  /// Sleeps until something happens or `until_ns` (never_ns: no limit). A bell or a SIGCHLD that is reported has been
  /// consumed; everything else is reported again until its cause is gone. Blocks.
  [[nodiscard]] std::span<const report> wait(std::uint64_t until_ns);

 private:
  base::unique_fd epoll_;
  base::unique_fd children_;
  int bell_ = -1;
  std::array<epoll_event, 64> events_;
  std::array<report, 64> reports_;
};

}  // namespace selvage::supervisor

// Stop, wait until it stands, let go. Called by: ward.cpp. Never: reaps, or consumes what a wait would report.

#include "supervisor/hold.hpp"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.hpp"
#include "base/syscalls.hpp"

namespace selvage::supervisor {
namespace {

constexpr std::uint64_t patience_ns = 2'000'000;
constexpr long pause_ns = 20'000;

// WNOWAIT: the report stays, so a worker that had stopped itself is seen as well, and its death is still there to be
// reaped.
bool stands_still(int pidfd) noexcept {
  siginfo_t what{};
  const int result = base::retry_eintr(
      [&] { return ::waitid(P_PIDFD, static_cast<id_t>(pidfd), &what, WSTOPPED | WEXITED | WNOHANG | WNOWAIT); });
  return result != 0 || what.si_pid != 0;
}

}  // namespace

void hold(int pidfd) noexcept {
  if (!base::pidfd_signal(pidfd, SIGSTOP)) return;
  const std::uint64_t deadline = base::now_ns() + patience_ns;
  while (!stands_still(pidfd) && base::now_ns() < deadline) {
    const timespec pause{0, pause_ns};
    ::nanosleep(&pause, nullptr);
  }
}

void let_go(int pidfd) noexcept { base::pidfd_signal(pidfd, SIGCONT); }

}  // namespace selvage::supervisor

// epoll, an eventfd and a signalfd behind one call. Called by: supervisor.cpp, ward.cpp. Never: decides anything.

#include "supervisor/watch.hpp"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.hpp"
#include "base/syscalls.hpp"

namespace selvage::supervisor {
namespace {

base::unique_fd make_child_signal_fd() {
  sigset_t child;
  ::sigemptyset(&child);
  ::sigaddset(&child, SIGCHLD);
  return base::unique_fd(base::check(::signalfd(-1, &child, SFD_NONBLOCK | SFD_CLOEXEC), "signalfd"));
}

void discard_pending(int signal_fd) noexcept {
  signalfd_siginfo information;
  (void)base::retry_eintr(
      [&] { return ::read(signal_fd, &information, sizeof information); });  // at most one is pending
}

}  // namespace

watch::watch()
    : epoll_(base::check(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")), children_(make_child_signal_fd()) {
  if (const int error = add(children_.get(), source::child, 0)) base::throw_errno(error, "epoll_ctl");
}

int watch::add(int fd, source from, unsigned lane) noexcept {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = static_cast<std::uint64_t>(from) << 32 | lane;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return errno;
  if (from == source::bell) bell_ = fd;
  return 0;
}

void watch::remove(int fd) noexcept { ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr); }

std::span<const report> watch::wait(std::uint64_t until_ns) {
  timespec patience{};
  if (until_ns != base::never_ns) {
    const std::uint64_t now = base::now_ns();
    const std::uint64_t left = until_ns > now ? until_ns - now : 0;
    patience = {static_cast<time_t>(left / 1'000'000'000U), static_cast<long>(left % 1'000'000'000U)};
  }
  const int count = ::epoll_pwait2(epoll_.get(), events_.data(), static_cast<int>(events_.size()),
                                   until_ns == base::never_ns ? nullptr : &patience, nullptr);
  if (count < 0) {
    if (errno == EINTR) return {};  // the caller looks again at everything
    base::throw_errno(errno, "epoll_pwait2");
  }
  for (int i = 0; i < count; ++i) {
    const std::uint64_t word = events_[static_cast<std::size_t>(i)].data.u64;
    const report what{static_cast<source>(word >> 32), static_cast<unsigned>(word)};
    if (what.from == source::bell) base::drain_eventfd(bell_);
    if (what.from == source::child) discard_pending(children_.get());
    reports_[static_cast<std::size_t>(i)] = what;
  }
  return {reports_.data(), static_cast<std::size_t>(count)};
}

}  // namespace selvage::supervisor

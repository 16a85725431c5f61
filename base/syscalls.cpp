// The system calls of syscalls.hpp that are more than one line.

#include "base/syscalls.hpp"

#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

namespace selvage::base {

unique_fd pidfd_open(int pid) {
  return unique_fd(static_cast<int>(check(::syscall(SYS_pidfd_open, pid, 0), "pidfd_open")));
}

bool pidfd_signal(int pidfd, int signal) noexcept {
  return ::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0) == 0;
}

unique_fd make_eventfd() { return unique_fd(check(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), "eventfd")); }

void ring_eventfd(int fd) noexcept {
  const std::uint64_t one = 1;
  (void)retry_eintr([&] { return ::write(fd, &one, sizeof one); });
}

void drain_eventfd(int fd) noexcept {
  std::uint64_t count = 0;
  (void)retry_eintr([&] { return ::read(fd, &count, sizeof count); });
}

unsigned usable_cores() noexcept {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  if (::sched_getaffinity(0, sizeof cores, &cores) != 0) return 1;
  return static_cast<unsigned>(std::max(1, CPU_COUNT(&cores)));
}

bool set_time_slice(std::chrono::nanoseconds slice) noexcept {
  struct {  // struct sched_attr in its first form: linux/sched/types.h
    std::uint32_t size;
    std::uint32_t policy;
    std::uint64_t flags;
    std::int32_t nice;
    std::uint32_t priority;
    std::uint64_t runtime_ns, deadline_ns, period_ns;
  } attributes{};
  if (::syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0) return false;
  if (attributes.policy != SCHED_OTHER && attributes.policy != SCHED_BATCH) return true;
  attributes.runtime_ns = static_cast<std::uint64_t>(slice.count());
  return ::syscall(SYS_sched_setattr, 0, &attributes, 0) == 0;
}

void close_all_except(const int* sorted, std::size_t count) noexcept {
  unsigned from = 3;
  for (std::size_t i = 0; i < count; ++i) {
    const auto keep = static_cast<unsigned>(sorted[i]);
    if (sorted[i] < 3) continue;
    if (keep > from) ::syscall(SYS_close_range, from, keep - 1, 0);
    from = keep + 1;
  }
  ::syscall(SYS_close_range, from, ~0U, 0);
}

}  // namespace selvage::base

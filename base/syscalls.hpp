#pragma once
// System calls with their errors in one place: EINTR is retried here and nowhere else, and a failure becomes a
// std::system_error that names the call. Also the few calls that this libc does not wrap.

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <string>
#include <system_error>
#include <utility>

#include "base/unique_fd.hpp"

namespace selvage::base {

/// Calls until the result is not EINTR.
template <class Call>
auto retry_eintr(Call&& call) noexcept(noexcept(call())) {
  for (;;) {
    const auto result = call();
    if (result != -1 || errno != EINTR) return result;
  }
}

[[noreturn]] inline void throw_errno(int error, const std::string& what) {
  throw std::system_error(error, std::generic_category(), what);
}

/// Throws std::system_error for -1, otherwise passes the result on.
template <class Result>
Result check(Result result, const char* what) {
  if (result == static_cast<Result>(-1)) throw_errno(errno, what);
  return result;
}

/// Source: pidfd_open(2), Linux 5.3.
[[nodiscard]] unique_fd pidfd_open(int pid);
/// Returns false when the process is gone. Source: pidfd_send_signal(2), Linux 5.1.
bool pidfd_signal(int pidfd, int signal) noexcept;
/// A non-blocking, close-on-exec eventfd with the count 0.
[[nodiscard]] unique_fd make_eventfd();
/// Adds 1; a full counter is left as it is, for the reader is awake anyway.
void ring_eventfd(int fd) noexcept;
/// Reads the counter away.
void drain_eventfd(int fd) noexcept;
/// On which this process may run, at least 1. Source: sched_getaffinity(2)
[[nodiscard]] unsigned usable_cores() noexcept;
/// For how long the scheduler lets the calling thread, and what it forks, run before it looks at others again. Without
/// effect for a thread in real time, and before Linux 6.12. Returns: false where the kernel refuses.
/// Source: sched_setattr(2), sched_runtime
bool set_time_slice(std::chrono::nanoseconds slice) noexcept;
inline constexpr std::chrono::microseconds shortest_time_slice{100};
inline constexpr std::chrono::milliseconds longest_time_slice{100};
/// Closes every descriptor from 3 up that is not in the sorted list.
void close_all_except(const int* sorted, std::size_t count) noexcept;

}  // namespace selvage::base

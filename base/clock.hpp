#pragma once
// Time, as every process of a pool measures it: CLOCK_MONOTONIC, nanoseconds. Steps of the wall clock change nothing.

#include <sys/resource.h>
#include <time.h>

#include <chrono>
#include <cstdint>

namespace selvage::base {

inline constexpr std::uint64_t never_ns = ~std::uint64_t{0};

/// Cost: about 20 ns (vDSO).
[[nodiscard]] inline std::uint64_t now_ns() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);  // which cannot fail
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}

/// User and system time of all threads of this process, ended ones included. Cost: a system call, 200 ns.
[[nodiscard]] inline std::uint64_t processor_time_ns() noexcept {
  timespec used{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);  // which cannot fail
  return static_cast<std::uint64_t>(used.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(used.tv_nsec);
}

/// What this process has used, and those that it has started and waited for.
[[nodiscard]] inline std::uint64_t processor_time_with_children_ns() noexcept {
  rusage children{};
  ::getrusage(RUSAGE_CHILDREN, &children);  // which cannot fail
  const auto ns = [](const timeval& span) {
    return static_cast<std::uint64_t>(span.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(span.tv_usec) * 1'000U;
  };
  return processor_time_ns() + ns(children.ru_utime) + ns(children.ru_stime);
}

/// What another process has used, without its children; 0 where it is gone. Source: clock_getcpuclockid(3)
[[nodiscard]] inline std::uint64_t processor_time_ns(int pid) noexcept {
  clockid_t clock{};
  timespec used{};
  if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &used) != 0) return 0;
  return static_cast<std::uint64_t>(used.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(used.tv_nsec);
}

[[nodiscard]] inline std::uint64_t to_ns(std::chrono::nanoseconds span) noexcept {
  return span.count() < 0 ? 0 : static_cast<std::uint64_t>(span.count());
}

/// a + b, never_ns where that overflows.
[[nodiscard]] inline std::uint64_t saturating_add(std::uint64_t a, std::uint64_t b) noexcept {
  return a + b < a ? never_ns : a + b;
}

}  // namespace selvage::base

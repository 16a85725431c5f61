// Judges an end and writes it down. Called by: ward.cpp. Never: asks the worker's memory.

#include "supervisor/verdict.hpp"

#include <signal.h>
#include <sys/wait.h>

#include <atomic>
#include <cstddef>
#include <cstring>

namespace selvage::supervisor {
namespace {

std::uint64_t to_us(const timeval& span) noexcept {
  return static_cast<std::uint64_t>(span.tv_sec) * 1'000'000U + static_cast<std::uint64_t>(span.tv_usec);
}

// The tail is 3840 bytes and mostly empty: only its used part is written.
std::size_t written_bytes(const shm::verdict& how) noexcept {
  return offsetof(shm::verdict, stderr_tail) + how.stderr_length;
}

shm::verdict blank(std::uint64_t epoch) noexcept {
  shm::verdict said;
  std::memset(&said, 0, offsetof(shm::verdict, stderr_tail));
  said.epoch = epoch;
  return said;
}

}  // namespace

shm::verdict_reason judge(const sentence& meant, const ending& how) noexcept {
  using enum shm::verdict_reason;
  const int status = how.wait_status;
  const bool killed = meant.killed && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  const bool told = meant.reason == recycled || meant.reason == shut_down;
  const bool obeyed = told && !how.in_a_call;  // in whatever way: only its finalizer can have gone wrong
  if (meant.reason != none && (killed || obeyed)) return meant.reason;
  return WIFSIGNALED(status) ? signalled : exited;
}

shm::verdict make_verdict(std::uint64_t epoch, int pid, const sentence& meant, const ending& how) noexcept {
  shm::verdict said = blank(epoch);
  const shm::verdict_reason reason = judge(meant, how);
  said.reason = static_cast<std::uint32_t>(reason);
  said.pid = pid;
  said.signal = WIFSIGNALED(how.wait_status) ? WTERMSIG(how.wait_status) : 0;
  said.exit_status = WIFEXITED(how.wait_status) ? WEXITSTATUS(how.wait_status) : 0;
  if (reason == shm::verdict_reason::timed_out || reason == shm::verdict_reason::aborted ||
      reason == shm::verdict_reason::cpu_limit) {
    said.slot = meant.slot;
    said.call_id = meant.call_id;
  }
  if (reason == meant.reason) said.used = meant.used;
  said.oom_killer = reason == shm::verdict_reason::signalled && said.signal == SIGKILL && how.oom_killer ? 1 : 0;
  if (reason == shm::verdict_reason::recycled) said.recycle = static_cast<std::uint32_t>(meant.recycle);
  said.user_us = to_us(how.used.ru_utime);
  said.system_us = to_us(how.used.ru_stime);
  said.peak_resident_bytes = static_cast<std::uint64_t>(how.used.ru_maxrss) * 1024;
  said.minor_faults = static_cast<std::uint64_t>(how.used.ru_minflt);
  said.major_faults = static_cast<std::uint64_t>(how.used.ru_majflt);
  return said;
}

shm::verdict make_verdict_of_failed_fork(std::uint64_t epoch, int error) noexcept {
  shm::verdict said = blank(epoch);
  said.error = static_cast<std::uint32_t>(error);
  return said;
}

void write_death(shm::supervisor_lane& page, const shm::verdict& how) noexcept {
  std::memcpy(&page.death, &how, written_bytes(how));
}

void write_start_failure(shm::supervisor_lane& page, const shm::verdict& how) noexcept {
  shm::word32& version = page.words.failures;
  const std::uint32_t before = version.load(std::memory_order_relaxed);  // relaxed: we are its one writer
  version.store(before + 1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);  // SYNC start_failure: odd before the first byte changes
  std::memcpy(&page.start_failure, &how, written_bytes(how));
  version.store(before + 2, std::memory_order_release);  // SYNC start_failure: even after the last
}

}  // namespace selvage::supervisor

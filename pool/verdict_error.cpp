// See verdict_error.hpp.

#include "pool/verdict_error.hpp"

#include <fmt/format.h>
#include <sched.h>
#include <signal.h>
#include <string.h>

#include <algorithm>

#include "pool/limit_text.hpp"
#include "pool/symbols.hpp"

namespace selvage::host {
namespace {

/// The supervisor writes a few hundred times a second at most. One that is still not done after so many turns of
/// everybody else was killed half way.
constexpr unsigned looks_at_start_failure = 1000;

std::string signal_text(int signal) {
  const char* const name = ::sigabbrev_np(signal);
  return name == nullptr ? fmt::format("signal {}", signal) : fmt::format("SIG{}", name);
}

void take_usage(failure& what, const shm::verdict& verdict) {
  what.worker_pid = verdict.pid;
  what.signal = verdict.signal;
  what.usage = {.user_time = std::chrono::microseconds(verdict.user_us),
                .system_time = std::chrono::microseconds(verdict.system_us),
                .peak_resident_bytes = verdict.peak_resident_bytes,
                .minor_faults = verdict.minor_faults,
                .major_faults = verdict.major_faults};
  what.stderr_tail = stderr_of(verdict);
}

bool has_fault_address(int signal) noexcept {
  return signal == SIGSEGV || signal == SIGBUS || signal == SIGILL || signal == SIGFPE || signal == SIGTRAP;
}

bool take_crash(failure& what, const shm::verdict& verdict, const shm::crash_record& record, symbol_names& symbols) {
  what.code = errc::crashed;
  what.message = fmt::format("the worker died of {}", signal_text(verdict.signal));
  const auto kind = static_cast<shm::crash_kind>(record.kind.load(std::memory_order_acquire));  // SYNC crash
  if (kind == shm::crash_kind::none) return true;
  if (kind != shm::crash_kind::signal || record.epoch != verdict.epoch || record.signal != verdict.signal) return false;
  what.signal_code = record.signal_code;
  const bool has_address = record.signal_code > 0 && has_fault_address(verdict.signal);  // sent by the kernel
  what.fault_address = has_address ? record.fault_address : 0;
  const auto frames = std::min(record.frame_count, shm::max_crash_frames);
  what.stack = symbols.of({record.frames, frames}, record.image_base);
  if (has_address) what.message += fmt::format(" at address {:#x}", record.fault_address);
  if (!what.stack.empty()) what.message += " in " + what.stack.front();
  return true;
}

bool take_exit(failure& what, const shm::verdict& verdict, const shm::crash_record& record) {
  what.code = errc::exited;
  what.exit_status = verdict.exit_status;
  const auto kind = static_cast<shm::crash_kind>(record.kind.load(std::memory_order_acquire));  // SYNC crash
  const bool told = kind != shm::crash_kind::none && record.epoch == verdict.epoch;
  const char* const how = told && kind == shm::crash_kind::exit         ? "exit"
                          : told && kind == shm::crash_kind::quick_exit ? "quick_exit"
                                                                        : "_exit";
  what.message = fmt::format("the task ended its process by {}({})", how, verdict.exit_status);
  return kind == shm::crash_kind::none || told;
}

// The kernel says SIGSYS: a filter ended the worker, or its own handler did.
void take_violation(failure& what, const std::optional<refusal>& refused) {
  what.code = errc::permission_denied;
  if (!refused) {
    what.message =
        "the worker was ended for a system call that no worker may make: one of another architecture, or one that was "
        "refused while SIGSYS was blocked";
    return;
  }
  what.refused_call = refused->call;
  what.message = fmt::format("the worker was ended for {}: {}", refused->call, refused->remedy);
}

std::string limit_text(const doomed_call& call) {
  return call.grace_ns == 0
             ? fmt::format(" (timeout {})", text_of_ns(call.timeout_ns))
             : fmt::format(" (timeout {}, grace {})", text_of_ns(call.timeout_ns), text_of_ns(call.grace_ns));
}

// Signals by which the kernel, and nobody else as a rule, says that a limit was reached; and a SIGKILL while the
// machine's OOM killer was at work, which nobody here has sent.
bool take_limit_by_signal(failure& what, const shm::verdict& verdict, const base::limits& limits) {
  if (verdict.signal == SIGXFSZ) {
    what.code = errc::file_limit;
    what.message += ": " + file_size_text(limits);
  } else if (verdict.signal == SIGXCPU) {
    what.code = errc::cpu_limit;
    what.message += ": the program's own limit of processor time (RLIMIT_CPU)";
  } else if (verdict.oom_killer != 0) {
    what.code = errc::out_of_memory;
    what.message += fmt::format(
        ", which Selvage did not send, while the machine's OOM killer was at work: the machine, or its group of "
        "processes, has no memory left; the worker had used {} bytes",
        verdict.peak_resident_bytes);
  } else {
    return false;
  }
  return true;
}

}  // namespace

std::string stderr_of(const shm::verdict& verdict) {
  return {verdict.stderr_tail, std::min<std::size_t>(verdict.stderr_length, shm::stderr_tail_bytes)};
}

bool describe_death(failure& what, symbol_names& symbols, const shm::verdict& verdict, const shm::crash_record& record,
                    const doomed_call& call, const std::optional<refusal>& refused) {
  take_usage(what, verdict);
  const bool named = verdict.call_id == call.id;
  switch (static_cast<shm::verdict_reason>(verdict.reason)) {
    case shm::verdict_reason::signalled: {
      const bool agreed = take_crash(what, verdict, record, symbols);
      if (take_limit_by_signal(what, verdict, call.limits) || verdict.signal != SIGSYS) return agreed;
      // Its handler ended it where it has written that down; otherwise what was refused last is another call.
      const bool by_handler = agreed && record.kind.load(std::memory_order_relaxed) != 0;  // relaxed: a private copy
      take_violation(what, by_handler ? refused : std::nullopt);
      return agreed;
    }
    case shm::verdict_reason::timed_out:
      what.code = named ? errc::timed_out : errc::crashed;
      what.message =
          named ? "it ran over its time limit and its worker was killed" + limit_text(call)
                : fmt::format("its worker was killed because call {}, which ran beside it, was over its time limit",
                              verdict.call_id);
      return true;
    case shm::verdict_reason::aborted:
      what.code = named ? errc::aborted : errc::crashed;
      what.message = named ? "it was still running when the grace after its abort was over, and its worker was killed"
                           : fmt::format("its worker was killed because call {}, which ran beside it, was aborted",
                                         verdict.call_id);
      return true;
    case shm::verdict_reason::cpu_limit:
      what.code = named ? errc::cpu_limit : errc::crashed;
      what.message = named
                         ? fmt::format(
                               "it had used {} of processor time, its limit is {} (pool_options::cpu), and its worker "
                               "was killed",
                               text_of_ns(verdict.used), text_of_ns(call.limits.cpu_ns))
                         : fmt::format(
                               "its worker was killed because call {}, which ran beside it, had used up its processor "
                               "time",
                               verdict.call_id);
      return true;
    case shm::verdict_reason::memory_limit:
      what.code = errc::out_of_memory;
      what.message = fmt::format(
          "its worker, with the processes that it had started, had {} bytes of private memory, its limit is {} "
          "(pool_options::memory), and it was killed",
          verdict.used, call.limits.memory_bytes);
      return true;
    case shm::verdict_reason::thread_limit:
      what.code = errc::thread_limit;
      what.message = fmt::format(
          "its worker was seen with {} threads and processes, it may have {} (permissions::threads), and it was killed",
          verdict.used, call.limits.threads_seen);
      return true;
    case shm::verdict_reason::shut_down:
      what.code = errc::pool_closed;
      what.message = "the pool was shut down while it ran";
      return true;
    case shm::verdict_reason::exited:
    case shm::verdict_reason::recycled:
      return take_exit(what, verdict, record);
    case shm::verdict_reason::start_timeout:
    case shm::verdict_reason::none:
      break;
  }
  return true;
}

shm::verdict last_start_failure(const shm::supervisor_lane& lane) {
  for (unsigned look = 0; look < looks_at_start_failure; ++look) {
    const std::uint32_t before = lane.words.failures.load(std::memory_order_acquire);  // SYNC start_failure
    const shm::verdict copy = lane.start_failure;
    std::atomic_thread_fence(std::memory_order_acquire);
    const std::uint32_t after = lane.words.failures.load(std::memory_order_relaxed);
    if (before == after && before % 2 == 0) return lane.death.epoch > copy.epoch ? lane.death : copy;
    ::sched_yield();
  }
  return lane.death;
}

std::string describe_start_failure(const shm::verdict& last) {
  std::string how;
  if (last.error != 0) {
    how = fmt::format("the last one could not be started: {}", ::strerrordesc_np(static_cast<int>(last.error)));
  } else {
    switch (static_cast<shm::verdict_reason>(last.reason)) {
      case shm::verdict_reason::signalled:
        how = "the last one died of " + signal_text(last.signal);
        if (last.signal == SIGSYS) how += ", of a system call that it was refused (pool_options::permissions)";
        break;
      case shm::verdict_reason::start_timeout:
        how = "the last one was not ready in time (restart_options::start_timeout)";
        break;
      default:
        how = fmt::format("the last one ended with status {}", last.exit_status);
        break;
    }
  }
  std::string text = "workers die before they are ready, oftener than the restart budget allows; " + how;
  if (const std::string tail = stderr_of(last); !tail.empty()) text += "; its standard error: " + tail;
  return text;
}

void count(restart_stats& restarts, const shm::verdict& verdict) noexcept {
  switch (static_cast<shm::verdict_reason>(verdict.reason)) {
    case shm::verdict_reason::signalled:
      ++restarts.crashed;
      return;
    case shm::verdict_reason::exited:
      ++restarts.exited;
      return;
    case shm::verdict_reason::timed_out:
      ++restarts.timed_out;
      return;
    case shm::verdict_reason::aborted:
      ++restarts.aborted;
      return;
    case shm::verdict_reason::cpu_limit:
      ++restarts.cpu_limit;
      return;
    case shm::verdict_reason::memory_limit:
      ++restarts.memory_limit;
      return;
    case shm::verdict_reason::thread_limit:
      ++restarts.thread_limit;
      return;
    case shm::verdict_reason::recycled:
      switch (static_cast<shm::recycle_reason>(verdict.recycle)) {
        case shm::recycle_reason::calls:
          ++restarts.recycled_calls;
          return;
        case shm::recycle_reason::resident:
          ++restarts.recycled_resident;
          return;
        case shm::recycle_reason::age:
          ++restarts.recycled_age;
          return;
        case shm::recycle_reason::memory:
          ++restarts.recycled_memory;
          return;
        case shm::recycle_reason::none:
          return;
      }
      return;
    case shm::verdict_reason::start_timeout:
    case shm::verdict_reason::shut_down:
    case shm::verdict_reason::none:
      return;
  }
}

}  // namespace selvage::host

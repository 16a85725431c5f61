#pragma once
// Writes down how this process is about to die, where the host will read it: signal, code, address and raw frames
// from a signal handler on an alternate stack, or the status of an exit.
//
// Called by: worker/boot.cpp (install, open), worker/loop.cpp (running), worker/exit_hooks.cpp (record_exit), and
// by the kernel on any thread of the worker. Never: allocates, locks, or touches the lane before open(), or in a
// child that a task forked.
//
// The state is global because a signal handler has no other: the one place in worker/ where that is so.

#include <signal.h>

#include <atomic>
#include <cstdint>

#include "shm/layout.hpp"

namespace selvage::worker::crash_recorder {

/// Handles the signals that a fault, abort() or a broken limit raises. A thread other than the main one has no
/// alternate stack: its stack overflow is seen in the wait status only.
/// Limits: a task that installs its own handler for one of these takes over.
void install();

/// From now on there is a record to write. Requires: the host has opened `epoch`.
void open(shm::crash_record& record, std::uint64_t epoch) noexcept;

/// Records the end by exit or quick_exit, unless a crash is being recorded. Async-signal-safe.
void record_exit(shm::crash_kind kind, int status) noexcept;

namespace detail {
inline std::atomic<std::uint64_t> current_call{0};
}

/// Writes a fatal signal down and ends the process by it: the handler itself, for a signal that another one has caught.
[[noreturn]] void record_and_die(int signal, siginfo_t* info, void* context) noexcept;

/// The call that the main thread runs from now on, 0 for none. Cost: one store.
inline void running(std::uint64_t call_id) noexcept {
  detail::current_call.store(call_id, std::memory_order_relaxed);  // relaxed: read by the same process's handlers
}
[[nodiscard]] inline std::uint64_t current_call() noexcept {
  return detail::current_call.load(std::memory_order_relaxed);  // relaxed: see running()
}

}  // namespace selvage::worker::crash_recorder

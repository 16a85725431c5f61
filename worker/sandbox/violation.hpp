#pragma once
// What becomes of a system call that the filter refused: it is written down where the host reads it, and the task gets
// an errno, or is ended.
//
// Called by: sandbox.cpp (install), and by the kernel on any thread of the worker (SIGSYS). Never: allocates, locks, or
// lets a refused call through. A task cannot handle, ignore or unblock its way around it: the filter refuses another
// handler, and a trap that finds SIGSYS blocked ends the process.
// Source: seccomp(2), SECCOMP_RET_TRAP

#include <selvage/permissions.hpp>

#include "shm/layout.hpp"

namespace selvage::worker::sandbox {

/// Handles SIGSYS from now on: a refused call gets its errno. Requires: crash_recorder::install has run.
void install_violation_handler();

/// What a refused call comes to from now on.
void set_violation(on_violation then) noexcept;

/// From now on there is a record to write to. Requires: the host has opened the epoch.
void open_refusals(shm::refusal_record& record, std::uint64_t epoch) noexcept;

/// Refusals since the handler was installed.
[[nodiscard]] std::uint64_t refusals() noexcept;

}  // namespace selvage::worker::sandbox

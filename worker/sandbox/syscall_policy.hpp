#pragma once
// What a sealed worker may ask of the kernel: one row for every system call that libseccomp knows. Pure data: nothing
// here installs anything. docs/syscalls.md is made from it, and a test compares the two.
//
// Called by: filter.cpp, which makes a program of it; violation.cpp, which tells a task what it was refused. Never:
// looks at a path (Landlock does) or at a number of its own (libseccomp has the names).
//
// How a row is chosen: a call that only computes, waits, or uses what the worker already holds is allowed; one that
// opens something new needs a grant; one that changes a file's metadata is refused whatever is granted, because
// Landlock would not confine it; one by which no honest task could gain anything ends the task; one that programs try
// and do without is absent, as on an older kernel. A call without a row is absent.

#include <cstdint>
#include <span>
#include <string_view>

#include "shm/layout.hpp"

namespace selvage::worker::sandbox {

enum class outcome : std::uint8_t {
  allowed,
  granted,    ///< allowed where `needs` is granted, refused otherwise
  inspected,  ///< its arguments decide: see filter.cpp; refused otherwise
  refused,    ///< the task gets an errno
  forbidden,  ///< ends the call
  absent,     ///< ENOSYS
};

using shm::grant;

struct syscall_rule {
  std::string_view name;
  outcome then = outcome::absent;
  grant needs = grant::none;
};

/// By name, in no order that matters. The same for every architecture: names that one does not have are passed over.
[[nodiscard]] std::span<const syscall_rule> syscall_rules() noexcept;

}  // namespace selvage::worker::sandbox

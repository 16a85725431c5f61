#pragma once
// The rows of syscall_policy.hpp as a seccomp program. Built once per pool, by libseccomp; every worker puts its own
// process number into a copy and installs that.
//
//   seccomp_data --> numbers that no table knows: ENOSYS --> libseccomp's tree: allow | ENOSYS | trap
//
// Everything refused is a trap (SIGSYS), so that violation.hpp can tell what it was. What the C library calls while all
// signals are blocked must not trap, for that would end the process: clone3 is absent by an errno.
//
// Where programs may be run, they are under the same filter and have no handler: what is refused is an errno there, and
// is not told; only what no honest program does still traps, which ends it. Under on_violation::kill everything does.
//
// Called by: sandbox.cpp. Never: looks at a path; lets a call through whose row is not written.
// Source: seccomp(2), seccomp_rule_add(3), Documentation/userspace-api/seccomp_filter.rst

#include <linux/filter.h>
#include <sys/types.h>

#include <string>
#include <vector>

#include <selvage/permissions.hpp>

#include "worker/sandbox/syscall_policy.hpp"

namespace selvage::worker::sandbox {

/// What of a pool's permissions the filter has to know.
struct filter_grants {
  grant granted = grant::none;
  bool tcp = false;  ///< sockets of IPv4 and IPv6; which ports is Landlock's business
  bool udp = false;
  bool jit = false;  ///< memory may be writable and executable
  on_violation then = on_violation::refuse;

  [[nodiscard]] bool runs_programs() const noexcept { return any_of(grant::run, granted); }
  /// Refused calls are told by a trap.
  [[nodiscard]] bool traps() const noexcept { return !runs_programs() || then == on_violation::kill; }
};

/// Errors: std::system_error where libseccomp or its memory fails.
[[nodiscard]] std::vector<sock_filter> build_filter(const filter_grants& given);

/// The program with `pid` where build_filter left room for it: what "its own process" means in it.
[[nodiscard]] std::vector<sock_filter> filter_for(std::vector<sock_filter> program, pid_t pid);

/// The row of a number on this architecture; null where it has none. Async-signal-safe once rule_of(0) was called.
[[nodiscard]] const syscall_rule* rule_of(int number) noexcept;

/// One above every number that has a name.
[[nodiscard]] int end_of_numbers() noexcept;

}  // namespace selvage::worker::sandbox

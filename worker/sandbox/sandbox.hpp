#pragma once
// The seal of a strict worker: Landlock for files and ports, a seccomp filter for everything else, and a handler that
// says what was refused.
//
// Called by: worker/boot.cpp, once, before anything of the user's runs. Never: loosened again.
//
//   syscall_policy.hpp  what each system call is worth       filter.hpp    the program made of it
//   landlock.hpp        which files and ports                violation.hpp  what happens at a refused call
//   held_places.hpp     the granted files, opened beforehand

#include <linux/filter.h>

#include <vector>

#include "worker/sandbox/landlock.hpp"
#include "worker/sandbox/violation.hpp"

namespace selvage::worker::sandbox {

/// Made once per pool. Without a program: no seal.
struct plan {
  landlock_rules files_and_ports{};
  std::vector<sock_filter> program{};  ///< of build_filter
  on_violation then = on_violation::refuse;
  bool jit = false;
  bool traps = true;  ///< refused calls are told

  [[nodiscard]] bool strict() const noexcept { return !program.empty(); }
  /// What has to stay open until the worker is sealed, without order.
  [[nodiscard]] std::vector<int> held_descriptors() const;
};

/// Seals the calling process, and makes sure that the seal holds: one call that must be refused is.
/// Requires: a strict plan; no_new_privs; one thread; crash_recorder::install has run.
/// Returns: the version of Landlock in force, 0 for none.
/// Errors: std::system_error, std::runtime_error: the process is then not to be used.
int seal(const plan& given);

}  // namespace selvage::worker::sandbox

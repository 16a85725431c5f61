#pragma once
// What this machine can enforce, found out by asking its kernel. `selvage doctor` prints it.
//
//   const selvage::machine here = selvage::look_at_this_machine();
//   if (!here.can_be_strict()) std::cerr << "no strict permissions on " << here.kernel << '\n';
//
// Thread-safety: a value. The answers are this process's: a container, a filter or a limit that it is under counts.

#include <cstdint>
#include <string>

#include <selvage/bytes.hpp>

namespace selvage {

struct machine {
  enum class control_groups : std::uint8_t { none, version_1, version_2, both };

  std::string kernel{};     ///< its release, e.g. "6.1.0-18-amd64"
  bool new_enough = false;  ///< 6.1 and later, which Selvage is made for
  int landlock = 0;         ///< version of its interface, 0: none
  bool seccomp_filters = false;
  bool seccomp_traps = false;      ///< refused calls can be named
  bool seccomp_listeners = false;  ///< threads and processes can be counted as they are started
  bool user_namespaces = false;    ///< this process may make one
  bool pid_namespaces = false;     ///< it may make one of these, in a user namespace if need be
  control_groups groups = control_groups::none;
  bool memory_group_delegated = false;  ///< this process may make memory groups of its own
  bytes shared_memory{};                ///< the size of /dev/shm
  bytes shared_memory_free{};
  bool mseal = false;        ///< mappings of a worker can be sealed
  bool mdwe = false;         ///< memory that was writable can be kept from being executed
  bool pidfd = false;        ///< processes can be watched and killed without a race
  bool futex_waitv = false;  ///< one sleep for many lanes
  bool membarrier = false;   ///< fences that cost the frequent side nothing

  /// permissions::strict() can be enforced, without grants of files and ports.
  [[nodiscard]] bool can_be_strict() const noexcept { return new_enough && seccomp_traps && pidfd && futex_waitv; }
};

/// Cost: some milliseconds and a few forks, for what can only be tried.
[[nodiscard]] machine look_at_this_machine();

}  // namespace selvage

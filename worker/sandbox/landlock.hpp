#pragma once
// Landlock: which files, which TCP ports, whose signals. What it cannot do (metadata, other sockets, what was opened
// before) is in docs/permissions.md.
//
// Called by: sandbox.cpp. Never: looks a name up, but
// for those of the process itself.
// Source: landlock(7), Documentation/userspace-api/landlock.rst

#include <cstdint>
#include <vector>

#include "worker/sandbox/held_places.hpp"

namespace selvage::worker::sandbox {

struct landlock_rules {
  std::vector<granted_place> places{};                     ///< a file, or everything below a folder
  std::vector<std::uint16_t> tcp_connect{}, tcp_listen{};  ///< ports
};

/// Confines the calling thread, and what it will start, for good. Requires: no_new_privs; one thread.
/// Returns: the version in force; 0 where there is none, and nothing was confined.
/// Errors: std::system_error, which names the path.
int confine(const landlock_rules& given);

}  // namespace selvage::worker::sandbox

#pragma once
// The ways between two processes that a program would build a call on: each has a child process that sends back what it
// is sent. Called by: tiny.cpp. The child ends with the object, and with its parent.

#include <cstddef>
#include <memory>
#include <string>

namespace compare {

class channel {
 public:
  channel() = default;
  channel(const channel&) = delete;
  channel& operator=(const channel&) = delete;
  virtual ~channel() = default;
  /// Returns: false where there is no room for it now.
  virtual bool try_send(const std::byte* message) = 0;
  /// Blocks.
  virtual void receive(std::byte* into) = 0;
};

/// `kind`: pipe, socket (AF_UNIX, SOCK_SEQPACKET), message_queue (Boost.Interprocess) or zeromq (PAIR over ipc).
/// `size`: of every message. `cpu`: of the child, -1 for any. Null where there is no such kind. Throws
/// std::system_error.
[[nodiscard]] std::unique_ptr<channel> open_channel(const std::string& kind, std::size_t size, int cpu);

}  // namespace compare

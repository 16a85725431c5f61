#pragma once
// The ways between two processes that a program would build a call on: each has a child process that sends back what it
// is sent, or a new child for each message. Called by: tiny.cpp, bulk.cpp. Children end with the object, and with their
// parent.

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
  /// Returns: false where there is no room for it now. Blocks for the rest of one that is longer than what there is
  /// room for: such messages are sent one at a time.
  virtual bool try_send(const std::byte* message) = 0;
  /// Blocks.
  virtual void receive(std::byte* into) = 0;
};

/// `kind`: pipe, socket (AF_UNIX, SOCK_STREAM), message_queue (Boost.Interprocess), zeromq (PAIR over ipc) or fork (a
/// child for each message, which finds it in its memory and answers through a pipe). `size`: of every message. `cpu`:
/// of the child, -1 for any; those of fork are where their parent is. Null where there is no such kind. Throws
/// std::system_error.
[[nodiscard]] std::unique_ptr<channel> open_channel(const std::string& kind, std::size_t size, int cpu);

}  // namespace compare

#pragma once
// Starts this executable afresh: a child that shares no memory with this process, has an empty environment, and of the
// descriptors only those that it is handed. This header keeps Boost.Process out of everything else.
//
// Called by: spawn.cpp. Never: waits for the child, or passes anything on that is not named here.

#include <sys/types.h>

#include <span>

#include "base/unique_fd.hpp"

namespace selvage::launch {

struct fresh_program {
  pid_t pid = 0;
  base::unique_fd pidfd;
};

/// `arguments`: argv, its first element included, ended by null. `handed`: descriptors that the child has under the
/// same numbers, besides standard error; 0 and 1 are /dev/null in the child unless they are among them.
/// The child leads a session of its own, has default signal actions with none blocked, and gains no privileges from
/// the file.
/// Errors: std::system_error where it cannot be started; nothing is left of it then.
/// Cost: about a millisecond, whatever this process's size: its page tables are not copied.
[[nodiscard]] fresh_program start_afresh(const char** arguments, std::span<const int> handed);

}  // namespace selvage::launch

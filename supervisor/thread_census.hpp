#pragma once
// Counts the threads and processes of a worker, and answers the worker that asks whether it may have one more.
//
// Called by: ward.cpp. Never: waits for a worker, or remembers a count: what has ended is not counted again.
//
// The kernel holds each clone until it is answered (worker/thread_guard.hpp). Two threads of a worker that ask at once
// may both be let through where one was left: the first is not to be seen yet when the second is counted. So a worker
// has at most twice as many threads as it may. Source: seccomp_unotify(2)

#include <cstdint>

#include "base/limits.hpp"
#include "supervisor/process_tree.hpp"

namespace selvage::supervisor {

/// Threads of a process, 0 where it is gone. Cost: about 5 us. Source: proc_pid_stat(5), num_threads
[[nodiscard]] unsigned threads_of(int pid) noexcept;
/// The same with all its descendants and strays, where it may have any. Cost: 5 us for each thread.
[[nodiscard]] unsigned threads_of_family(int worker, const base::limits& limits, const process_tree& tree);

/// A worker that is held until it is answered.
struct thread_request {
  int listener;
  std::uint64_t id;
};
enum class listener_state : std::uint8_t {
  asked,
  quiet,   ///< whoever asked does not wait any more
  closed,  ///< nobody is left who could ask
};
/// Takes one request where there is one. Never blocks.
[[nodiscard]] listener_state take_thread_request(int listener, thread_request& request) noexcept;

/// The worker has fewer than it may. `tree` finds those whose parents are gone, where it may start processes too.
[[nodiscard]] bool may_have_one_more(int worker, const base::limits& limits, const process_tree& tree);

/// Lets the call through, or makes it EAGAIN.
void answer(const thread_request& request, bool granted) noexcept;

}  // namespace selvage::supervisor

#pragma once
// Asks the supervisor before this worker, or a process that it has started, starts another thread or process. A filter
// of its own hands clone and its kin to a listener (seccomp's user notification); the supervisor counts, and lets the
// call through or answers EAGAIN (supervisor/thread_census.hpp).
//
// Called by: worker/boot.cpp, before the worker is sealed. Never: looks at arguments: what may be cloned is the
// sandbox's matter. Source: seccomp_unotify(2), Linux 5.5

#include "base/unique_fd.hpp"
#include "worker/worker.hpp"

namespace selvage::worker {

/// Installs the filter and sends its listener. A thread started from now on waits until the supervisor has it.
/// Errors: std::system_error; EBUSY where a filter that this process is under has a listener already.
void install_thread_guard(const seat& place);

}  // namespace selvage::worker

#pragma once
// How a process becomes the supervisor, and how its child stops being one.
//
// Called by: supervisor.cpp at the start of run(); ward.cpp in a newborn worker. Never: forks.

namespace selvage::supervisor {

struct orders;

/// A numbered checklist from "some process, forked or started afresh" to a process that depends on nothing of the
/// host's: session, signals, descriptors, limits, subreaper. Requires: one thread.
/// Errors: std::system_error where a step fails without which the supervisor's promises would not hold.
void become_supervisor(orders& given);

/// Undoes in a newborn worker what only the supervisor wants: blocked SIGCHLD, ignored SIGPIPE.
void reset_signals_of_worker() noexcept;

}  // namespace selvage::supervisor

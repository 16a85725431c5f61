#pragma once
// Stopping a worker in order to look at it: a call that is late may be finishing this very moment, and a worker that
// stands still no longer writes.
//
// Called by: ward.cpp. Never: waits for more than about 2 ms, or kills.

namespace selvage::supervisor {

/// Sends SIGSTOP and waits until every thread of the process stands still, or it is dead, or 2 ms are over (a thread in
/// an uninterruptible wait: what it writes later is fenced by its death). Blocks.
void hold(int pidfd) noexcept;

/// SIGCONT: it runs on as if nothing had been.
void let_go(int pidfd) noexcept;

}  // namespace selvage::supervisor

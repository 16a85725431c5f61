#pragma once
// The return addresses of a thread that was interrupted by a signal, from within its handler. The unwinder goes
// first; where it finds nothing (a jump into nowhere, code without unwind tables), frame pointers go on.
//
// Called by: worker/crash_recorder.cpp. Never: allocates or locks (libgcc 12 on glibc 2.35 looks tables up without
// a lock). May fault on a smashed stack: the caller recovers.

#include <ucontext.h>

#include <cstdint>
#include <span>

namespace selvage::worker {

[[nodiscard]] std::uint64_t program_counter(const ucontext_t& context) noexcept;

/// Innermost first: the interrupted instruction itself, then return addresses. `count` is up to date at every moment.
/// `bad_jump`: fetching that instruction was the fault, so the caller's address is still where the call left it.
void walk_stack(const ucontext_t& context, bool bad_jump, std::span<std::uint64_t> frames,
                std::uint32_t& count) noexcept;

/// Lets the unwinder load and bind what it needs, while that is still safe.
void warm_stack_walk() noexcept;

}  // namespace selvage::worker

#pragma once
// Doorbells: sleeping and waking across processes on words that only one of them may write.
//
// Called by: the collector (pool/), the worker's loop and the supervisor. Never: a lock, and never libstdc++'s
// atomic::wait, whose futexes are private to one process.
//
// The pattern, on both sides (release/acquire alone loses wake-ups):
//   to park:     own parked word = futex; seq_cst fence; read the peer's doorbell (acquire); look for work again; wait;
//                parked = no
//   to publish:  store the bits; seq_cst fence; read the peer's parked word; if it is set, ring
// The value of the doorbell is read before the last look, so that a ring after the look makes the wait return at once.
// FUTEX_WAIT, FUTEX_WAKE and futex_waitv work on pages that are mapped read-only.
// Source: futex(2), futex_waitv (Linux 5.16).

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/clock.hpp"
#include "shm/layout.hpp"

namespace selvage::shm {

/// One word to wait on and the value that it had before the last look.
struct watched_word {
  const word32* word;
  std::uint32_t expected;
};

/// Sleeps until `word` no longer holds `expected`, somebody wakes it, or CLOCK_MONOTONIC reaches `until_ns` (never_ns:
/// no limit). Spurious returns happen: look again. Blocks.
void wait_on(const word32& word, std::uint32_t expected, std::uint64_t until_ns = base::never_ns) noexcept;

/// The same over several words at once. Requires: 1 to 128 of them; with none it returns at once.
void wait_on_any(std::span<const watched_word> words, std::uint64_t until_ns = base::never_ns) noexcept;

/// Counts the doorbell up and wakes whoever sleeps on it. Requires: the caller's process is the word's one writer.
/// Thread-safety: any thread of that process, at any time.
/// Cost: one system call.
void ring(word32& doorbell) noexcept;

/// Wakes sleepers without changing the word: for a process that may not write it. The sleeper may be about to sleep and
/// miss it, so the caller repeats until it sees the effect.
void nudge(const word32& doorbell) noexcept;

/// A hint to the processor that this is a spin loop.
inline void spin_pause() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");
#endif
}

}  // namespace selvage::shm

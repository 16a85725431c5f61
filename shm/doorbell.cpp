// futex(2) and futex_waitv(2), in the words of doorbell.hpp.

#include "shm/doorbell.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>

namespace selvage::shm {
namespace {

timespec to_timespec(std::uint64_t ns) noexcept {
  return {static_cast<time_t>(ns / 1'000'000'000U), static_cast<long>(ns % 1'000'000'000U)};
}

// FUTEX_WAIT_BITSET takes an absolute time of CLOCK_MONOTONIC, FUTEX_WAIT a relative one.
long futex(const word32& word, int operation, std::uint32_t value, const timespec* until) noexcept {
  return ::syscall(SYS_futex, &word, operation, value, until, nullptr, FUTEX_BITSET_MATCH_ANY);
}

}  // namespace

void wait_on(const word32& word, std::uint32_t expected, std::uint64_t until_ns) noexcept {
  const timespec until = to_timespec(until_ns);
  futex(word, FUTEX_WAIT_BITSET, expected, until_ns == base::never_ns ? nullptr : &until);
}

void wait_on_any(std::span<const watched_word> words, std::uint64_t until_ns) noexcept {
  std::array<futex_waitv, FUTEX_WAITV_MAX> waits;
  const std::size_t count = std::min<std::size_t>(words.size(), waits.size());
  for (std::size_t i = 0; i < count; ++i) {
    waits[i] = {.val = words[i].expected,
                .uaddr = reinterpret_cast<std::uintptr_t>(words[i].word),
                .flags = FUTEX_32,
                .__reserved = 0};
  }
  const timespec until = to_timespec(until_ns);
  ::syscall(SYS_futex_waitv, waits.data(), count, 0, until_ns == base::never_ns ? nullptr : &until, CLOCK_MONOTONIC);
}

void ring(word32& doorbell) noexcept {
  // Not load and store: two threads of the writing process may ring at once, and a count that went back to what a
  // sleeper has just read would let it sleep. relaxed: the caller's fence publishes the work, the kernel orders change
  // and wake
  doorbell.fetch_add(1, std::memory_order_relaxed);
  nudge(doorbell);
}

void nudge(const word32& doorbell) noexcept { futex(doorbell, FUTEX_WAKE, INT_MAX, nullptr); }

}  // namespace selvage::shm

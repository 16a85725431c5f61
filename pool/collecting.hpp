#pragma once
// The collector's loop, for whatever its thread waits for: spin while that pays, then park. Included by the parts of the pool
// that wait (collector, futures, helper, core).

#include <algorithm>

#include "base/clock.hpp"
#include "pool/core.hpp"
#include "shm/doorbell.hpp"

namespace selvage::detail {

inline constexpr unsigned fruitless_wakes_borne = 16;
inline constexpr std::uint64_t look_interval_ns = 1'000'000;
inline constexpr unsigned looks_between_clocks = 16;
inline constexpr std::uint64_t shortest_spin_ns = 1'000;

// Requires: the seat. Returns when done() or at until_ns. `done` is asked after every pass that changed something.
template <class Done>
void pool_core::collect_until(const Done& done, std::uint64_t until_ns) {
  std::uint64_t spin_since = 0;  // 0: not spinning yet
  unsigned looks = 0;
  while (!done()) {
    if (collect_pass()) {
      if (spin_since != 0) spin_ns_ = std::min(spin_limit_ns_, 2 * spin_ns_);  // it paid
      spin_since = 0;
      fruitless_wakes_ = 0;
      continue;
    }
    if (++looks % looks_between_clocks != 1 && spin_ns_ != 0) {
      shm::spin_pause();
      continue;
    }
    const std::uint64_t now = base::now_ns();
    if (now >= until_ns) return;
    if (spin_since == 0) spin_since = now;
    if (now - spin_since < spin_ns_) continue;
    spin_ns_ = std::max(std::min(shortest_spin_ns, spin_limit_ns_), spin_ns_ / 2);
    const std::uint32_t seen = interrupt_.load(std::memory_order_seq_cst);  // SYNC interrupt: before the last look
    if (done()) return;
    park(until_ns, seen);
    ++fruitless_wakes_;
    spin_since = 0;
    looks = 0;
  }
}

// Waits for done(), collecting when the seat is free and sleeping beside the collector otherwise. Returns: done().
template <class Done>
bool pool_core::sleep_or_collect(waiter& self, call_state* call, const Done& done, std::uint64_t until_ns) {
  while (!done()) {
    if (until_ns != base::never_ns && base::now_ns() >= until_ns) return false;
    if (take_seat()) {
      collect_until(done, until_ns);
      leave_seat();
      self.word.store(0, std::memory_order_relaxed);  // relaxed: only a hint to look again
    } else {
      sleep_beside_collector(self, call, until_ns);
    }
  }
  return true;
}

}  // namespace selvage::detail

// <selvage/abort_signal.hpp>: looking at the bit, the clock, and sleeping on the doorbell between the two.
// Called by: tasks, in a worker or on the inline lane. Never: writes anything shared.
#include <selvage/abort_signal.hpp>

#include <algorithm>
#include <thread>

#include <selvage/error.hpp>
#include "base/clock.hpp"
#include "shm/doorbell.hpp"

namespace selvage {

bool abort_signal::requested() const noexcept {
  if (view_.word == nullptr) return false;
  // relaxed: the bit carries no data
  // SYNC abort_word: relaxed suffices, a late look is an abort a little later
  if ((view_.word->load(std::memory_order_relaxed) & view_.mask) != (view_.base & view_.mask)) return true;
  return view_.soft_limit_ns != base::never_ns && base::now_ns() >= view_.soft_limit_ns;
}

void abort_signal::throw_if_requested() const {
  if (requested()) throw error(errc::aborted, "the call was asked to stop");
}

bool abort_signal::wait_for(std::chrono::nanoseconds time) const {
  const std::uint64_t until = base::saturating_add(base::now_ns(), base::to_ns(time));
  if (view_.word == nullptr || view_.doorbell == nullptr) {
    std::this_thread::sleep_for(time);
    return requested();
  }
  for (;;) {
    // relaxed: read before the look, so that a ring after it makes the wait return at once
    const std::uint32_t before = view_.doorbell->load(std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (requested()) return true;
    if (base::now_ns() >= until) return false;
    shm::wait_on(*view_.doorbell, before, std::min(until, view_.soft_limit_ns));
  }
}

}  // namespace selvage

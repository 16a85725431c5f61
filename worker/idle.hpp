#pragma once
// How long a worker spins before it parks: as long as spinning pays. The budget halves whenever a spin ended in
// parking, and grows back whenever work came in a spin. Two sides that both park answer each other so late that short
// spins never meet, though long ones would: so where work keeps coming soon after parking, every few times the whole
// budget is tried.
//
// Called by: worker/loop.cpp and worker/result_writer.cpp. Never: parks (the caller knows on what), or keeps a core
// from a process that could use it: it yields all along.
// Thread-safety: none; one per thread.

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "base/clock.hpp"
#include "shm/doorbell.hpp"

namespace selvage::worker {

/// How long a worker naps where the host may not see that it sleeps (shm::heavy_fence could not be had).
inline constexpr std::uint64_t unseen_nap_ns = 1'000'000;

class spinner {
 public:
  explicit spinner(std::chrono::nanoseconds most) noexcept : most_ns_(base::to_ns(most)), budget_ns_(most_ns_) {}

  /// Looks again and again. Returns: true once `look` does; false when the budget is spent, and then the caller parks.
  template <class Look>
  [[nodiscard]] bool spin(Look&& look) noexcept {
    if (budget_ns_ == 0) return look();
    std::uint64_t started_ns = 0;
    for (unsigned round = 1;; ++round) {
      for (unsigned i = 0; i < looks_per_round; ++i) {
        if (look()) {
          grow();
          return true;
        }
        shm::spin_pause();
      }
      const std::uint64_t now = base::now_ns();
      if (started_ns == 0) started_ns = now;
      if (now - started_ns >= budget_ns_) {
        shrink();
        return false;
      }
      if (round % rounds_per_yield == 0) ::sched_yield();
    }
  }

  /// The caller was parked for so long before there was work.
  void was_parked(std::uint64_t ns) noexcept {
    if (ns < soon_ns && ++soon_ % parks_before_trial == 0) budget_ns_ = most_ns_;
  }

 private:
  static constexpr unsigned looks_per_round = 32;
  static constexpr unsigned rounds_per_yield = 2;
  static constexpr std::uint64_t least_ns = 1'000;
  static constexpr std::uint64_t soon_ns = 200'000;  // two wake-ups, with processors that had halted
  static constexpr unsigned parks_before_trial = 8;

  void grow() noexcept { budget_ns_ = std::min(most_ns_, std::max(2 * budget_ns_, least_ns)); }
  void shrink() noexcept { budget_ns_ = budget_ns_ / 2 < least_ns ? 0 : budget_ns_ / 2; }

  std::uint64_t most_ns_;
  std::uint64_t budget_ns_;
  unsigned soon_ = 0;
};

}  // namespace selvage::worker

#pragma once
// How long a worker spins before it parks: as long as spinning pays. The budget halves whenever a spin ended in
// parking, and grows back whenever work came in a spin; where work keeps coming soon after parking, the whole budget is
// tried every few times (shm/spin_trial.hpp).
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
#include "shm/spin_trial.hpp"

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
    if (trial_.is_due_after(ns)) budget_ns_ = most_ns_;
  }

 private:
  static constexpr unsigned looks_per_round = 32;
  static constexpr unsigned rounds_per_yield = 2;
  static constexpr std::uint64_t least_ns = 1'000;

  void grow() noexcept { budget_ns_ = std::min(most_ns_, std::max(2 * budget_ns_, least_ns)); }
  void shrink() noexcept { budget_ns_ = budget_ns_ / 2 < least_ns ? 0 : budget_ns_ / 2; }

  std::uint64_t most_ns_;
  std::uint64_t budget_ns_;
  shm::spin_trial trial_;
};

}  // namespace selvage::worker

#pragma once
// How a worker waits: it spins as long as spinning pays, then parks. The budget halves whenever a spin ended in
// parking, or work came only when the processor was yielded: then the host shares it, and waits for us to sleep. It
// grows back whenever work came in a spin; where work keeps coming soon after parking, the whole budget is tried every
// few times (shm/spin_trial.hpp).
//
// Called by: worker/loop.cpp and worker/result_writer.cpp. Never: keeps a core from a process that could use it: it
// yields all along.
// Thread-safety: none; one per thread.

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "base/clock.hpp"
#include "shm/doorbell.hpp"
#include "shm/lane.hpp"
#include "shm/spin_trial.hpp"

namespace selvage::worker {

struct idle_options {
  std::chrono::nanoseconds spin{0};  ///< at most, before it parks
  unsigned pause = 1;                ///< pause instructions between two looks
  std::chrono::nanoseconds park{0};  ///< at most, before it looks again; 0: until it is woken
};

class idler {
 public:
  explicit idler(const idle_options& how) noexcept
      : most_ns_(base::to_ns(how.spin)),
        budget_ns_(most_ns_),
        park_ns_(base::to_ns(how.park)),
        pause_(how.pause),
        looks_per_round_(std::max(1U, pauses_per_round / how.pause)) {}

  /// Looks again and again. Returns: true once `look` does; false when the budget is spent, and then the caller parks.
  template <class Look>
  [[nodiscard]] bool spin(Look&& look) noexcept {
    if (budget_ns_ == 0) return look();
    std::uint64_t started_ns = 0;
    for (unsigned round = 1;; ++round) {
      for (unsigned i = 0; i < looks_per_round_; ++i) {
        if (look()) {
          grow();
          return true;
        }
        for (unsigned p = 0; p < pause_; ++p) shm::spin_pause();
      }
      const std::uint64_t now = base::now_ns();
      if (started_ns == 0) started_ns = now;
      if (now - started_ns >= budget_ns_) {
        shrink();
        return false;
      }
      if (round % rounds_per_yield != 0) continue;
      ::sched_yield();
      if (!look()) continue;
      if (base::now_ns() - now > long_yield_ns) {
        shrink();
      } else {
        grow();
      }
      return true;
    }
  }

  /// Sleeps on the lane's doorbell unless `look` holds. Returns: when it was rung, or for no reason: look again.
  template <class Look>
  void park(shm::worker_lane& lane, Look&& look) noexcept {
    const std::uint64_t parked_ns = base::now_ns();
    const bool seen = lane.prepare_to_sleep(shm::parked::futex);
    const shm::watched_word bell = lane.doorbell();
    const std::uint64_t longest = park_ns_ != 0 ? park_ns_ : base::never_ns;
    if (!look()) {
      const std::uint64_t nap = seen ? longest : std::min(longest, unseen_nap_ns);
      shm::wait_on(*bell.word, bell.expected, base::saturating_add(parked_ns, nap));
    }
    lane.set_awake();
    // A sleep that ended because its own time was up says nothing of when there is work.
    if (look() && trial_.is_due_after(base::now_ns() - parked_ns)) budget_ns_ = most_ns_;
  }

 private:
  static constexpr unsigned pauses_per_round = 32;  // between two readings of the clock
  static constexpr unsigned rounds_per_yield = 2;
  static constexpr std::uint64_t least_ns = 1'000;
  static constexpr std::uint64_t long_yield_ns = 3'000;  // somebody else ran
  /// How long a worker naps where the host may not see that it sleeps (shm::heavy_fence could not be had).
  static constexpr std::uint64_t unseen_nap_ns = 1'000'000;

  void grow() noexcept { budget_ns_ = std::min(most_ns_, std::max(2 * budget_ns_, least_ns)); }
  void shrink() noexcept { budget_ns_ = budget_ns_ / 2 < least_ns ? 0 : budget_ns_ / 2; }

  std::uint64_t most_ns_;
  std::uint64_t budget_ns_;
  std::uint64_t park_ns_;
  unsigned pause_;
  unsigned looks_per_round_;
  shm::spin_trial trial_;
};

}  // namespace selvage::worker

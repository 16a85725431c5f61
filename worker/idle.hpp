#pragma once
// How a worker waits: it spins as long as spinning pays (shm/spin_budget.hpp), then parks. A spin was in vain, too,
// where work came only when the processor was yielded: then the host shares it, and waits for us to sleep.
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
#include "shm/spin_budget.hpp"

namespace selvage::worker {

struct idle_options {
  std::chrono::nanoseconds spin{0};  ///< at most, before it parks
  unsigned pause = 1;                ///< pause instructions between two looks
  std::chrono::nanoseconds park{0};  ///< at most, before it looks again; 0: until it is woken
};

class idler {
 public:
  explicit idler(const idle_options& how) noexcept
      : budget_(base::to_ns(how.spin), 0),
        park_ns_(base::to_ns(how.park)),
        pause_(how.pause),
        looks_per_round_(std::max(1U, pauses_per_round / how.pause)) {}

  /// Looks again and again. Returns: true once `look` does; false when the budget is spent, and then the caller parks.
  template <class Look>
  [[nodiscard]] bool spin(Look&& look) noexcept {
    if (budget_.ns() == 0) return look();
    std::uint64_t started_ns = 0;
    for (unsigned round = 1;; ++round) {
      for (unsigned i = 0; i < looks_per_round_; ++i) {
        if (look()) {
          budget_.paid();
          return true;
        }
        for (unsigned p = 0; p < pause_; ++p) shm::spin_pause();
      }
      const std::uint64_t now = base::now_ns();
      if (started_ns == 0) started_ns = now;
      if (now - started_ns >= budget_.ns()) {
        budget_.was_in_vain();
        return false;
      }
      if (round % rounds_per_yield != 0) continue;
      ::sched_yield();
      if (!look()) continue;
      if (base::now_ns() - now > long_yield_ns) {
        budget_.was_in_vain();
      } else {
        budget_.paid();
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
    if (look()) budget_.parked_for(base::now_ns() - parked_ns);
  }

 private:
  static constexpr unsigned pauses_per_round = 32;  // between two readings of the clock
  static constexpr unsigned rounds_per_yield = 2;
  static constexpr std::uint64_t long_yield_ns = 3'000;  // somebody else ran
  /// How long a worker naps where the host may not see that it sleeps (shm::heavy_fence could not be had).
  static constexpr std::uint64_t unseen_nap_ns = 1'000'000;

  shm::spin_budget budget_;
  std::uint64_t park_ns_;
  unsigned pause_;
  unsigned looks_per_round_;
};

}  // namespace selvage::worker

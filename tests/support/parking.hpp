#pragma once
// How the tests of the lane sleep: the pattern of shm/doorbell.hpp, with a watch for wake-ups that never came.
// Called by tests only.

#include <sched.h>

#include <atomic>
#include <cstdint>

#include "shm/lane.hpp"
#include "tests/support/random.hpp"

namespace selvage::tests {

/// What one side of a lane lived through while it waited.
struct waits {
  std::uint64_t parked = 0;  ///< times that it went to sleep
  std::uint64_t lost = 0;    ///< times that there was work, and nobody had rung, after ten seconds
};

/// Waits until `look` returns something other than 0: spins for a random while, or not at all, then sleeps on the other
/// side's doorbell. `Side` is host_lane or worker_lane.
template <class Side, class Look>
void wait_for_work(Side& side, Look&& look, random_source& random, waits& count) {
  constexpr std::uint64_t patience_ns = 10'000'000'000;
  for (std::uint64_t spins = random.one_in(4) ? 0 : random.below(3000); spins > 0; --spins) {
    if (look() != 0) return;
    shm::spin_pause();
    if (spins % 512 == 0) ::sched_yield();
  }
  while (look() == 0) {
    if (!side.prepare_to_sleep(shm::parked::futex)) continue;
    const shm::watched_word bell = side.doorbell();
    if (look() == 0) {
      const std::uint64_t until = base::now_ns() + patience_ns;
      ++count.parked;
      shm::wait_on(*bell.word, bell.expected, until);
      if (base::now_ns() >= until && look() != 0 && side.doorbell().expected == bell.expected) ++count.lost;
    }
    side.set_parked(shm::parked::no);
  }
}

}  // namespace selvage::tests

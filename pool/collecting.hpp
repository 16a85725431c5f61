#pragma once
// The collector's loop, for whatever its thread waits for: spin while that pays, then park. Included by the parts of
// the pool that wait (collector, futures, helper, core).

#include <algorithm>

#include "base/clock.hpp"
#include "pool/core.hpp"
#include "shm/doorbell.hpp"

namespace selvage::detail {

inline constexpr unsigned fruitless_wakes_borne = 16;
inline constexpr std::uint64_t look_interval_ns = 1'000'000;
inline constexpr unsigned pauses_between_clocks = 16;

// Requires: the seat. Returns when done() or at until_ns, but not before a first pass where done() does not hold from
// the beginning. `done` is asked after every pass that changed something.
template <class Done>
void pool_core::collect_until(const Done& done, std::uint64_t until_ns, const patience& how) {
  std::uint64_t spin_since = 0;  // 0: not spinning yet
  bool spins = true;
  bool gathered = how.ns == 0;  // what is there is to be collected
  unsigned looks = 0;
  const unsigned looks_between_clocks = std::max(1U, pauses_between_clocks / options_.spin.pause);
  const auto pause = [this] {
    for (unsigned i = 0; i < options_.spin.pause; ++i) shm::spin_pause();
  };
  while (!done() && !closer_waits_.load(std::memory_order_relaxed)) {  // relaxed: looked at again before parking
    if (!gathered && !in_a_hurry(how) && (until_ns == base::never_ns || base::now_ns() < until_ns)) {
      spins = false;
    } else if (collect_pass()) {
      if (spin_since != 0) spin_budget_.paid();
      spin_since = 0;
      fruitless_wakes_ = 0;
      if (until_ns != base::never_ns && base::now_ns() >= until_ns) return;
      continue;
    } else {
      if (looks++ % looks_between_clocks != 0 && spin_budget_.ns() != 0) {
        pause();
        continue;
      }
      const std::uint64_t now = base::now_ns();
      if (now >= until_ns) return;
      if (spin_since == 0) {
        spin_since = now;
        spins = in_a_hurry(how);
      }
      if (spins && now - spin_since < spin_budget_.ns()) {
        pause();
        continue;
      }
      if (spins) spin_budget_.was_in_vain();
    }
    const std::uint32_t seen = interrupt_.load(std::memory_order_seq_cst);  // SYNC interrupt: before the last look
    if (done() || closer_waits_.load(std::memory_order_relaxed)) return;    // relaxed: acquired with `interrupt`
    const std::uint64_t parked = base::now_ns();
    const std::uint64_t planned = park(until_ns, seen, how);
    const std::uint64_t woken = base::now_ns();
    if (spins && woken < planned) spin_budget_.parked_for(woken - parked);
    // Only rings in vain make a storm: neither time that is up nor another thread's interruption.
    if (interrupt_.load(std::memory_order_relaxed) == seen && woken < planned) ++fruitless_wakes_;
    // Before done() is asked: it may be true for another reason, and what has gathered would wait once more.
    if (how.ns != 0 && collect_pass()) fruitless_wakes_ = 0;
    gathered = true;
    spin_since = 0;
    looks = 0;
  }
}

// Waits for done(), collecting when the seat is free and sleeping beside the collector otherwise. Returns: done(). A
// time that is over already makes one turn all the same, so that a loop of such waits gets on. `place`: where those who
// settle what we wait for look for a sleeper; null: they do not know of us.
template <class Done>
bool pool_core::sleep_or_collect(waiter& self, waiter** place, const Done& done, std::uint64_t until_ns,
                                 const patience& how) {
  self.is_patient = how.ns != 0 && how.one == nullptr;
  bool slept = false;
  bool there = done();
  for (bool first = true; !there && (first || until_ns == base::never_ns || base::now_ns() < until_ns);
       there = done()) {
    first = false;
    if (take_seat()) {
      collect_until(done, until_ns, how);
      leave_seat();
      slept = false;
    } else {
      sleep_beside_collector(self, place, done, until_ns);
      slept = true;
    }
  }
  // We may have been woken in order to collect, and have no reason to: somebody else may.
  if (slept && seat_.load(std::memory_order_seq_cst) == 0) hand_on();
  return there;
}

// One turn of sleeping while another thread collects. Returns when summoned, or at until_ns. Enlisted first, looked
// second:
// whatever changes after the look summons us.
template <class Done>
void pool_core::sleep_beside_collector(waiter& self, waiter** place, const Done& done, std::uint64_t until_ns) {
  enlist(self, place);
  // The collector that leaves after this sees us waiting; one that left before has left the seat free.
  // SYNC waiter: the kernel reads `word` behind whatever was stored before it was set
  if (!done() && (seat_.load(std::memory_order_seq_cst) != 0 || closer_waits_.load(std::memory_order_seq_cst)))
    shm::wait_on(self.word, 0, until_ns);
  delist(self, place);
}

}  // namespace selvage::detail

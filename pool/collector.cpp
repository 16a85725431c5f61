// Who collects. Whoever waits takes the collector's seat and settles what has finished, for everybody; others sleep on
// a word of their own until their call is settled or the seat is handed to them.

#include <algorithm>

#include "base/clock.hpp"
#include "pool/collecting.hpp"
#include "pool/core.hpp"
#include "shm/doorbell.hpp"

namespace selvage::detail {
namespace {

/// So many bytes of answers are copied before whoever collects looks again at what he waits for.
constexpr std::uint64_t bytes_copied_in_a_pass = 262'144;

/// One who never parks looks after what waits behind long runs all the same.
constexpr unsigned passes_between_thorough_looks = 64;

}  // namespace

// ---- one look ------------------------------------------------------------------------------------------------------

// Without the lock: loads only. False positives cost a lock, false negatives must not happen. `quiet_answers`: those
// that gather are none.
bool pool_core::anything_new_besides(bool quiet_answers) const noexcept {
  const std::uint32_t seen = seen_doorbell_.load(std::memory_order_acquire);  // SYNC deaths
  if (supervisor_->doorbell.load(std::memory_order_acquire) != seen) return true;
  if (deaths_due_.load(std::memory_order_relaxed)) return true;  // relaxed: acquired with `seen`, or with `interrupt`
  if (supervisor_is_gone() && !broken_seen_.load(std::memory_order_relaxed)) return true;
  return !awaited_.each_of(0, count_of_lanes(), [&](unsigned index) {
    const host::lane_port& port = *lanes_[index];
    const std::uint64_t quiet = quiet_answers ? port.lane.quiet() : 0;
    port.lane.prefetch_newest();
    if ((port.lane.finished() & ~quiet) != 0) return false;
    return port.ready_seen.load(std::memory_order_relaxed) || !port.lane.ready();  // relaxed: a hint
  });
}

// Requires: the seat. Returns: something was settled, moved, opened or posted.
bool pool_core::collect_pass() {
  const bool due = look_again_ns_ != base::never_ns && base::now_ns() >= look_again_ns_;
  if (!anything_new() && !due) return false;
  lock_type held(lock_);
  look_at_supervisor();
  handle_deaths(held);
  bool progress = false;
  const auto look_at = [&](unsigned index) {
    host::lane_port& port = *lanes_[index];
    if (!port.ready && port.lane.ready() && !port.dead && !broken_) {
      lane_became_ready(port);
      progress = true;
    }
    const std::uint64_t finished = port.lane.finished();
    if (finished == 0) return true;
    port.count_forged();
    progress = true;
    notice_swiftness(port, finished);
    if (settle_finished(port, finished, held)) return true;
    first_lane_ = (index + 1) % count_of_lanes();
    return false;
  };
  const unsigned first = first_lane_;
  if (awaited_.each_of(first, count_of_lanes(), look_at)) awaited_.each_of(0, first, look_at);
  if (due) forget_swift_ones();
  if (some_call_is_queued()) pump_queues(held);
  if (rebalance(held, due || ++passes_ % passes_between_thorough_looks == 0)) progress = true;
  buried_.swap(graveyard_);
  held.unlock();  // the values in there may be large, or do anything in their destructors
  buried_.clear();
  return progress;
}

// Requires: the seat. Oldest first. Returns: false where some are left, since enough was copied for one pass: whoever
// waits gets his large answer before the others are copied, into memory that was just freed.
bool pool_core::settle_finished(host::lane_port& port, std::uint64_t finished, lock_type& held) {
  const bool alone = !shm::several(finished);
  if (!alone) port.lane.fetch(finished);
  const unsigned oldest = port.lane.oldest_from();
  std::uint64_t copied = 0;
  while (finished != 0) {
    if (copied >= bytes_copied_in_a_pass) return false;
    const unsigned slot = shm::first_from(finished, oldest);
    finished &= ~shm::bit(slot);
    copied += settle_answer(port, slot, alone, held);
  }
  return true;
}

// ---- sleeping ------------------------------------------------------------------------------------------------------

// Requires: the seat. The pattern of shm/doorbell.hpp, over every lane at once. Returns: when it would have woken by
// itself.
std::uint64_t pool_core::park(std::uint64_t until_ns, std::uint32_t seen_interrupt, const patience& how) {
  std::array<shm::watched_word, 2 + shm::max_lanes + 1> watched;
  std::size_t count = 0;
  watched[count++] = {&interrupt_, seen_interrupt};
  collector_parked_.store(1, std::memory_order_relaxed);
  control_->parked.store(static_cast<std::uint32_t>(shm::parked::futex), std::memory_order_relaxed);
  for (const auto& port : lanes_) port->lane.set_parked(shm::parked::futex);
  const bool moved = plan_next_look(how);
  // SYNC parked: against worker_lane::wake_host and the supervisor's ring. A worker's ring that is missed for want of
  // the heavy fence, which stops every processor for a moment, is made up for by a look that is planned to come soon:
  // after `gather` and a call.
  const std::uint64_t soon = may_miss_rings_ ? 2 * std::min(look_interval_ns, how.own_ns()) : 0;
  const bool looks_soon = gathered_ns_ != base::never_ns && gathered_ns_ < base::now_ns() + soon;
  if (looks_soon) std::atomic_thread_fence(std::memory_order_seq_cst);
  const bool seen = looks_soon || shm::heavy_fence(fences_);
  watched[count++] = {&supervisor_->doorbell,
                      seen_doorbell_.load(std::memory_order_relaxed)};  // relaxed: anything_new looks again
  watched[count++] = {&supervisor_->life, supervisor_->life.load(std::memory_order_relaxed)};
  // A worker that rings without end keeps the host from sleeping on its doorbell, not from sleeping: the answers of
  // such a pool are looked for at intervals.
  const bool storm = fruitless_wakes_ > fruitless_wakes_borne;
  if (!storm) {
    for (const auto& port : lanes_) watched[count++] = port->lane.doorbell();
  }
  const bool starting = supervisor_->life.load(std::memory_order_relaxed) == 0;  // its death would not ring yet
  std::uint64_t longest = options_.spin.park.count() == 0 ? base::never_ns : base::to_ns(options_.spin.park);
  if (storm || starting || !seen) longest = std::min(longest, look_interval_ns);
  const std::uint64_t cap = longest == base::never_ns ? longest : base::now_ns() + longest;
  const std::uint64_t planned = std::min({until_ns, look_again_ns_, gathered_ns_, cap});
  if (!moved && !anything_new_besides(true)) shm::wait_on_any({watched.data(), count}, planned);
  for (const auto& port : lanes_) port->lane.set_parked(shm::parked::no);
  control_->parked.store(static_cast<std::uint32_t>(shm::parked::no), std::memory_order_relaxed);
  collector_parked_.store(0, std::memory_order_relaxed);
  return planned;
}

// Calls may have been posted behind a running one since the last pass. Whoever posts one from now on finds us parked.
// Requires: the seat. Returns: a call was moved, or settled instead.
bool pool_core::plan_next_look(const patience& how) {
  lock_type held(lock_);
  const bool moved = rebalance(held, true);
  gathered_ns_ = plan_gathering(how);
  return moved;
}

// Without it there is no reason to look, or to spin: nothing that is there, or comes soon, is waited for.
bool pool_core::in_a_hurry(const patience& how) const {
  if (how.ns == 0 || (how.one != nullptr && !lanes_are_crowded())) return true;
  const lock_type held(lock_);
  return somebody_is_in_a_hurry() || !all_have_enough(how);
}

void pool_core::interrupt_collector() noexcept {
  interrupt_.fetch_add(1, std::memory_order_seq_cst);  // SYNC interrupt: what the collector waits for has changed
  if (collector_parked_.load(std::memory_order_seq_cst) != 0) shm::nudge(interrupt_);
}

// ---- the seat ------------------------------------------------------------------------------------------------------

// Somebody who waits must collect from now on, or nobody would.
void pool_core::leave_seat() noexcept {
  // relaxed, both: a hint for the helper, written by whoever has the seat
  turns_.store(turns_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  seat_.store(0, std::memory_order_seq_cst);  // SYNC seat: what this collector saw, for the next one
  if (waiting_threads_.load(std::memory_order_seq_cst) != 0) hand_on();
}

// Wakes one that waits; it collects, or hands on in its turn. The helper is the last choice: it may have callbacks
// to run.
void pool_core::hand_on() {
  const lock_type held(lock_);
  if (sleepers_.empty()) return;
  const auto other =
      std::find_if(sleepers_.rbegin(), sleepers_.rend(), [&](const waiter* each) { return each != &helper_waiter_; });
  summon(other == sleepers_.rend() ? helper_waiter_ : **other);
}

void pool_core::summon(waiter& sleeper) noexcept {
  sleeper.word.store(1, std::memory_order_release);  // SYNC waiter: your call is settled, or the seat is free
  shm::nudge(sleeper.word);
}

void pool_core::summon_those_without_room() noexcept {
  for (waiter* const sleeper : sleepers_) {
    if (sleeper->wants_room) summon(*sleeper);
  }
}

void pool_core::enlist(waiter& self, waiter** place) {
  const lock_type held(lock_);
  self.word.store(0, std::memory_order_relaxed);  // relaxed: what an earlier summons stood for is looked at after this
  if (place != nullptr) *place = &self;
  sleepers_.push_back(&self);
  if (is_in_a_hurry(self) || (none_to_post_ && &self != &helper_waiter_)) stop_gathering();
  waiting_threads_.fetch_add(1, std::memory_order_seq_cst);
}

void pool_core::delist(waiter& self, waiter** place) {
  const lock_type held(lock_);
  if (place != nullptr) *place = nullptr;
  std::erase(sleepers_, &self);
  waiting_threads_.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace selvage::detail

// Calls taken back from busy workers: what was posted ahead on a guess that proved wrong. Where another worker is idle
// they wait behind a run for 50 us at most; where none is, until that run has taken a millisecond, and four times
// as long as expected: with more workers than cores each takes longer now and then.
//
// Never: takes back a call that has started (the protocol of host_lane::recall decides).

#include <algorithm>

#include "base/clock.hpp"
#include "pool/core.hpp"

namespace selvage::detail {
namespace {

/// A worker that has started nothing of what it was given is waking up, or is not being scheduled.
constexpr std::uint64_t wake_up_ns = 1'000'000;

/// How long at most a call waits behind a running one while another worker is idle; and where none is.
constexpr std::uint64_t patience_for_idle_ns = 50'000;
constexpr std::uint64_t patience_for_busy_ns = 1'000'000;

/// The longest-running call of the lane: when it was started, by the worker's word (a hint, and never later than now),
/// and how long it was expected to take.
struct running_call {
  std::uint64_t since;
  std::uint64_t estimate_ns = 0;
};
running_call longest_of(const host::lane_port& port, std::uint64_t started, std::uint64_t now) {
  running_call longest{.since = now};
  shm::for_each_from(started, 0, [&](unsigned slot) {
    const std::uint64_t since =
        port.lane.response(slot).started_at_ns.load(std::memory_order_relaxed);  // relaxed: a hint
    if (since <= longest.since) longest = {since, port.slots[slot].estimate_ns};
  });
  return longest;
}

}  // namespace

// Requires: the lock.
bool pool_core::some_worker_idle(const class_desk& desk) const noexcept {
  const auto lanes = lanes_of(desk);
  return std::any_of(lanes.begin(), lanes.end(),
                     [](const auto& port) { return port->usable() && port->in_flight_count() == 0; });
}

// A call was posted to a worker that has another. If a worker is idle (the balancer need not care) somebody must look
// after it: whoever collects does before he parks; one who has parked is told. Where nobody collects the helper
// watches. Requires: the lock.
void pool_core::posted_behind(const call_state& call) {
  need_helper(helper_duty::watch);
  // relaxed: a collector that is about to park says so before it plans its next look, under the lock
  if (look_planned_ || collector_parked_.load(std::memory_order_relaxed) == 0) return;
  if (!some_worker_idle(desk_of(call))) return;
  look_planned_ = true;
  interrupt_collector();
}

// Requires: the seat. Sets look_again_ns_. `thorough`: also where no worker is idle, which costs a look at words that
// the workers write. Returns: a call was taken back.
bool pool_core::rebalance(lock_type& held, bool thorough) {
  look_again_ns_ = base::never_ns;
  look_planned_ = false;  // for an idle worker
  bool moved = false;
  if (awaited_.empty()) return false;
  for (const auto& desk : desks_) {
    const bool for_idle = desk->queue.empty() && some_worker_idle(*desk);
    if ((for_idle || thorough) && take_back_from_busy(*desk, for_idle)) moved = true;
  }
  if (moved) pump_queues(held);
  for (const auto& desk : desks_) look_again_ns_ = std::min(look_again_ns_, desk->swift.due_ns());
  return moved;
}

// `for_idle`: some worker of the class is idle, and nothing waits for it. Returns: a call was taken back. Sets
// look_again_ns_.
bool pool_core::take_back_from_busy(const class_desk& desk, bool for_idle) {
  const std::uint64_t for_one_idle = std::min(desk.balancer.depth().window_ns / 2, patience_for_idle_ns);
  std::uint64_t now = 0;
  bool moved = false;
  const auto look_at = [&](unsigned index) {
    host::lane_port& port = *lanes_[index];
    if (!shm::several(port.lane.in_flight()) || port.dead) return true;
    const std::uint64_t in_flight = port.lane.in_flight() & ~port.lane.finished();
    if (!shm::several(in_flight) || !another_would_take_them(desk, port)) return true;
    if (now == 0) now = base::now_ns();
    const std::uint64_t started = port.lane.started() & in_flight;
    const std::uint64_t waiting = in_flight & ~started;
    if (waiting == 0) return true;
    if (started == 0 && !for_idle) return true;  // it is not being scheduled: neither may the others be
    if (started != 0) port.unstarted_since_ns = 0;
    if (started == 0 && port.unstarted_since_ns == 0) port.unstarted_since_ns = now;
    const running_call runs =
        started != 0 ? longest_of(port, started, now) : running_call{.since = port.unstarted_since_ns};
    const std::uint64_t borne = started == 0 ? wake_up_ns
                                : for_idle   ? for_one_idle
                                             : std::max(patience_for_busy_ns, 4 * runs.estimate_ns);
    const std::uint64_t due = base::saturating_add(runs.since, borne);
    if (now < due) {
      look_again_ns_ = std::min(look_again_ns_, due);
      look_planned_ = look_planned_ || for_idle;
    } else if (take_back(port, waiting)) {
      moved = true;
    }
    return true;
  };
  awaited_.each_of(desk.first_lane, desk.first_lane + classes_.lanes_each, look_at);
  return moved;
}

bool pool_core::another_would_take_them(const class_desk& desk, const host::lane_port& than) const noexcept {
  return std::ranges::any_of(lanes_of(desk), [&](const auto& each) { return each.get() != &than && each->usable(); });
}

// Everything that waits behind a long run goes to the front of the queue; the balancer spreads it. Nothing is posted
// behind that run until it is over.
bool pool_core::take_back(host::lane_port& port, std::uint64_t waiting) {
  port.stalled = true;
  std::vector<std::pair<std::uint64_t, unsigned>> newest_first;
  shm::for_each_from(waiting, 0, [&](unsigned slot) {
    if (port.slots[slot].call && !port.slots[slot].recall_asked)
      newest_first.emplace_back(port.slots[slot].sequence, slot);
  });
  std::sort(newest_first.rbegin(), newest_first.rend());
  bool moved = false;
  for (const auto& [sequence, slot] : newest_first) {
    host::slot_state& state = port.slots[slot];
    state.recall_asked = true;
    if (!port.lane.recall(slot)) continue;  // it may have run: its answer will tell
    state.moved = host::call_ptr::share(state.call.get());
    call_state* const call = bury(std::move(state.call));
    ++figures_.recalled;
    if (!call->settled()) put_back(*call, port, slot);
    moved = true;
  }
  return moved;
}

}  // namespace selvage::detail

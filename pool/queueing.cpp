// Calls that wait in this process while every worker of their class has enough, and callers that wait for room there.

#include <functional>
#include <utility>

#include "base/clock.hpp"
#include "pool/collecting.hpp"
#include "pool/core.hpp"
#include "pool/writing.hpp"

namespace selvage::detail {
namespace {

/// A worker that is through with so many has not only been waited for while one call went there and back.
constexpr unsigned many_calls = 32;

}  // namespace

void pool_core::enqueue(call_state& call, const payload_source& arguments, host::call_queue& queue, lock_type& held) {
  // NOLINTNEXTLINE(clang-analyzer-cplusplus.NewDelete): whoever submits holds a reference, and `shared` another
  const bool outside = !call.kept.storage && writes_outside_lock(arguments);
  if (!call.kept.storage && arguments.write != nullptr) {
    auto shared = host::call_ptr::share(&call);
    if (outside) held.unlock();
    try {
      call.kept = keep(arguments);
    } catch (...) {
      if (outside) held.lock();
      never_mind();
      throw;
    }
    if (outside) held.lock();
  } else {
    call.kept.form = arguments.form;
  }
  // NOLINTNEXTLINE(clang-analyzer-cplusplus.NewDelete): as above
  if (withdrawn(call)) return settle_from_outside(call, withdrawn_error(call));
  if (call.id == 0) call.id = next_call_id_++;
  queue.push_back(host::call_ptr::share(&call));
  const bool for_workers = &queue != &inline_queue_;
  need_helper(for_workers ? helper_duty::collect : helper_duty::watch);
  if (outside && for_workers) pump_queues(held);  // lanes may have become idle meanwhile, and will not say so again
  // It may be the collector that waits for room; or one who has nothing to do with the answers that he sleeps through.
  if (for_workers && (outside || std::exchange(none_to_post_, false))) interrupt_collector();
}

// One thread at a time: while it writes the first call outside the lock, nothing that came later may overtake that.
void pool_core::pump_queues(lock_type& held) {
  if (pumping_) return;  // whoever does takes what is here as well
  struct turn {
    bool& taken;
    ~turn() { taken = false; }
  } const turn{pumping_};
  pumping_ = true;
  bool shorter = false;
  for (const auto& desk : desks_) shorter |= pump(*desk, held);
  if (shorter) summon_those_without_room();
}

// Returns: some call has left the queue.
bool pool_core::pump(class_desk& desk, lock_type& held) {
  bool shorter = false;
  while (call_state* const first = desk.queue.front()) {
    auto call = desk.queue.pop();
    const payload_source arguments = kept_source(call->kept);
    bool posted = post_to_swift(desk, *first, arguments, held);
    if (!posted && !first->settled() && desk.swift.lane() == host::swift_lane::none)
      posted = post_somewhere(desk, *first, arguments, held);
    if (!posted && !first->settled()) {
      desk.queue.push_front(std::move(call));
      if (desk.swift.lane() != host::swift_lane::none) desk.swift.keep(base::now_ns());
      break;
    }
    if (!posted) (void)bury(std::move(call));  // nobody else may hold it
    shorter = true;
  }
  return shorter;
}

// Returns: false where there is no such lane, or no room in it. It is forgotten where it cannot be expected to be
// through with what it has as soon as somebody collects.
bool pool_core::post_to_swift(class_desk& desk, call_state& call, const payload_source& arguments, lock_type& held) {
  const unsigned swift = desk.swift.lane();
  if (swift == host::swift_lane::none) return false;
  host::lane_port& port = *lanes_[swift];
  if (port.usable() && port.load_ns < host::balancer::wake_up_ns) {
    if (!desk.balancer.depth().takes(port.in_flight_count(), port.load_ns)) return false;
    const auto result = post_to(port, call, arguments, held);
    if (result == host::post_result::posted) return true;
    if (call.settled()) return false;
  }
  desk.swift.forget();
  return false;
}

// Requires: the lock. A lane has answers. Not where the inline lane would take what is kept, nor for other rules.
void pool_core::notice_swiftness(const host::lane_port& port, std::uint64_t finished) {
  if (classes_.lanes_each == 1 || options_.inline_lane.where != inline_options::position::none) return;
  class_desk& desk = *desks_[classes_.of_lane(port.index)];
  if (!desk.balancer.prefers_idle()) return;
  const bool has_many = port.in_flight_count() >= many_calls;
  const bool through = has_many && finished == port.lane.in_flight() && port.load_ns < host::balancer::wake_up_ns;
  desk.swift.answered(port.index, through);
}

// Requires: the lock. Those who have given no answer for a while, though they are full.
void pool_core::forget_swift_ones() {
  const std::uint64_t now = base::now_ns();
  for (const auto& desk : desks_) {
    if (now >= desk->swift.due_ns()) desk->swift.forget();
  }
}

// Requires: the lock, which is not held while this blocks. Returns when there is room, or when none is wanted any more.
void pool_core::wait_for_room(lock_type& held, const std::stop_token& stop, const std::function<bool()>& has_room) {
  held.unlock();
  const auto over = [&] {
    const lock_type look(lock_);
    return state_ != state::open || broken_.has_value() || stop.stop_requested() || has_room();
  };
  waiter self;
  self.wants_room = true;
  {
    const std::stop_callback wake(stop, [&] {
      const lock_type look(lock_);
      summon(self);
      interrupt_collector();  // which may be this one
    });
    sleep_or_collect(self, nullptr, over, base::never_ns, {.ns = patience_ns_});
  }
  held.lock();
}

}  // namespace selvage::detail

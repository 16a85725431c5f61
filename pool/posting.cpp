// A call into a lane. What says `inline` is on the way of every call, and is called from here only:
// position-independent code does not inline what another library could replace.

#include <string.h>

#include <algorithm>
#include <cstring>

#include "base/clock.hpp"
#include "base/syscalls.hpp"
#include "pool/collecting.hpp"
#include "pool/options.hpp"
#include "pool/writing.hpp"

namespace selvage::detail {
namespace {

/// So many calls in flight keep their caller busy while the worker waits for more of them to gather.
constexpr unsigned crowd = 16;

std::uint64_t first_of(std::chrono::nanoseconds a, std::chrono::nanoseconds b, std::chrono::nanoseconds c) noexcept {
  return base::to_ns(a.count() != 0 ? a : b.count() != 0 ? b : c);
}

bool is_costly(const payload_source& arguments) noexcept {
  return arguments.bound >= host::depth_rule::costly_to_keep_bytes;
}

}  // namespace

// ---- entry points --------------------------------------------------------------------------------------------------

void pool_core::submit(call_state& call, const task_record& task, const payload_source& given,
                       const call_options& options, when_full full) {
  prepare(call, task, options);
  std::optional<error> refused;
  if (!find_task(call, task)) [[unlikely]] {
    refused = unknown_task_error(call);
  } else if (given.bound > payload_cap_) [[unlikely]] {
    if (const auto size = too_large(call, given)) refused = too_large_error(call, *size);
  }
  // Not simply a copy: to load as a whole what was just stored in parts is to wait for every store before it, and the
  // last call's may be waiting for the worker's cache.
  std::optional<payload_source> encoded;
  if (call.kept.storage) encoded = kept_source(call.kept);
  const payload_source& arguments = encoded ? *encoded : given;
  if (const char* const fault = host::fault_of(options)) refused = invalid_error(call, fault);
  lock_type held(lock_);
  ++unsettled_;
  if (options.stop.stop_requested()) call.abort_wanted = true;
  if (refused) [[unlikely]]
    return settle(call, std::move(*refused));
  if (withdrawn(call)) return settle(call, withdrawn_error(call));
  class_desk& desk = desk_of(call);
  host::call_queue& queue = desk.queue;
  while (true) {
    if (supervisor_is_gone() && !broken_) {
      settle_from_outside(call, with_cause(call, lost_error()));
      return;
    }
    if (state_ != state::open || broken_) {
      settle_from_outside(call, broken_ ? with_cause(call, *broken_) : closed_error(call));
      return;
    }
    if (inline_lane_takes(task)) {
      enqueue(call, arguments, inline_queue_, held);
      break;
    }
    if (queue.empty() && !pumping_ && post_somewhere(desk, call, arguments, held)) break;
    if (call.settled()) return;
    if (full == when_full::line || queue.has_room_for(arguments.bound)) {
      enqueue(call, arguments, queue, held);
      break;
    }
    if (desk.swift.lane() != host::swift_lane::none) {  // what is kept for one has room with others
      desk.swift.forget();
      pump_queues(held);
      continue;
    }
    if (full == when_full::refuse) {
      settle(call, error(base_failure(call, errc::queue_full,
                                      "every worker has enough to do and " + std::to_string(queue.size()) +
                                          " calls are queued; wait for some, or raise pool_options::queue")));
      return;
    }
    wait_for_room(held, options.stop, [&] { return queue.has_room_for(arguments.bound); });
    if (options.stop.stop_requested()) call.abort_wanted = true;
    if (withdrawn(call)) return settle_from_outside(call, withdrawn_error(call));
  }
  held.unlock();
  if (options.stop.stop_possible()) call.stop.emplace(options.stop, stop_trigger{&call});
}

payload_source pool_core::kept_source(const kept_payload& kept) noexcept {
  return {.form = kept.form,
          .bound = kept.used.length,
          .write = [](const void* value, std::span<std::byte> out) -> extent {
            const auto& it = *static_cast<const kept_payload*>(value);
            if (it.used.length != 0) std::memcpy(out.data(), it.storage.get() + it.used.offset, it.used.length);
            return {0, it.used.length};
          },
          .value = &kept};
}

// ---- before the lock -----------------------------------------------------------------------------------------------

void pool_core::prepare(call_state& call, const task_record& task, const call_options& options) {
  call.owner = this;
  call.process = process_;
  call.task = &task;
  call.timeout_ns = first_of(options.timeout, task.options.timeout, options_.timeout);
  call.grace_ns = first_of(options.grace, task.options.grace, options_.grace);
}

// Before anybody else knows the call: `task_index` is read by whoever settles it.
bool pool_core::find_task(call_state& call, const task_record& task) const noexcept {
  const auto found = index_.find(task);
  if (found) call.task_index = *found;
  return found.has_value();
}

error pool_core::unknown_task_error(const call_state& call) const {
  const bool same_name = std::ranges::any_of(tasks_, [&](const auto& each) { return each->name == call.task->name; });
  return error(base_failure(call, errc::unknown_task,
                            same_name ? "the pool was built with another task object of this name: call that one, or "
                                        "a copy of it"
                                      : "the pool was built without this task: name it in the pool's constructor"));
}

// The bound of a flat or fixed payload is its size. That of a table is an upper bound: one that may be over the cap is
// encoded here first, into private memory, so that nothing is reserved for a payload that will be refused.
// Returns: the size, where it is over the cap. Not yet an error: of a call that others know, that is for the lock.
std::optional<std::size_t> pool_core::too_large(call_state& call, const payload_source& arguments) {
  std::size_t size = arguments.bound;
  if (size > payload_cap_ && arguments.form == payload_form::table) {
    call.kept = keep(arguments);
    size = call.kept.used.length;
  }
  return size <= payload_cap_ ? std::nullopt : std::optional(size);
}

error pool_core::too_large_error(const call_state& call, std::size_t size) const {
  return error(base_failure(call, errc::payload_too_large,
                            "the arguments take " + std::to_string(size) + " bytes, the cap is " +
                                std::to_string(payload_cap_) + " (pool_options::payload_cap)"));
}

// ---- into a lane ---------------------------------------------------------------------------------------------------

bool pool_core::post_somewhere(class_desk& desk, call_state& call, const payload_source& arguments, lock_type& held) {
  look_at_supervisor();
  const auto lanes = lanes_of(desk);
  if (lanes.size() == 1) {  // every rule says the same
    host::lane_port& port = *lanes.front();
    const bool costly = is_costly(arguments);
    const std::uint64_t load_ns = costly ? port.unfinished_load_ns() : port.load_ns;
    if (!port.usable() || !desk.balancer.depth().takes(port.in_flight_count(), load_ns, costly)) return false;
    const auto result = post_to(port, call, arguments, held);
    if (result == host::post_result::no_memory)
      settle_unless_it_may_fit(desk, call, arguments.bound, port.reserve_error);
    return result == host::post_result::posted;
  }
  if (desk.balancer.prefers_idle()) {  // then the first that would not have to be woken: no other is looked at
    for (const auto& port : lanes) {
      if (!port->usable() || port->in_flight_count() != 0 || port->lane.worker_sleeps()) continue;
      if (post_to(*port, call, arguments, held) == host::post_result::posted) return true;
      if (call.settled()) return false;
      break;
    }
  }
  return post_by_load(desk, call, arguments, held);
}

bool pool_core::post_by_load(class_desk& desk, call_state& call, const payload_source& arguments, lock_type& held) {
  const bool costly = is_costly(arguments);
  const auto lanes = lanes_of(desk);
  const auto loads = std::span(loads_).subspan(desk.first_lane, lanes.size());
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    const host::lane_port& port = *lanes[i];
    const unsigned in_flight = port.in_flight_count();
    loads[i] = {.usable = port.usable(),
                .in_flight = in_flight,
                .load_ns = costly ? port.unfinished_load_ns() : port.load_ns,
                .asleep = in_flight == 0 && port.lane.worker_sleeps(),
                .costly = costly};
  }
  int no_memory = 0;
  while (const auto chosen = desk.balancer.choose(loads)) {
    host::lane_port& port = *lanes[*chosen];
    const host::post_result result = post_to(port, call, arguments, held);
    if (result == host::post_result::posted) return true;
    if (call.settled()) return false;
    if (result == host::post_result::no_memory) no_memory = port.reserve_error;
    loads[*chosen].usable = false;
  }
  if (no_memory != 0) settle_unless_it_may_fit(desk, call, arguments.bound, no_memory);
  return false;
}

// `why`: errno of a lane that could not reserve memory for its arguments. It waits where one has enough, only not just
// now.
void pool_core::settle_unless_it_may_fit(const class_desk& desk, call_state& call, std::size_t bound, int why) {
  const auto may_hold_it = [&](const auto& port) { return !port->failed && port->arena.bytes_reserved() >= bound; };
  if (std::ranges::any_of(lanes_of(desk), may_hold_it)) return;
  settle_from_outside(call, error(base_failure(call, errc::payload_exhausted,
                                               std::string("no shared memory for the arguments: ") +
                                                   ::strerrordesc_np(why) + "; " + shm::shared_memory_figures(bound))));
}

host::post_result pool_core::post_to(host::lane_port& port, call_state& call, const payload_source& arguments,
                                     lock_type& held) {
  host::lane_port::room room;
  if (const auto result = port.make_room(arguments.bound, room); result != host::post_result::posted) return result;
  extent used;
  const bool outside = writes_outside_lock(arguments);
  call.place = call_place::claimed;
  if (arguments.write != nullptr) {
    if (outside) {
      ++port.writers;
      held.unlock();
    }
    try {
      used = arguments.write(arguments.value, room.bytes);
    } catch (...) {
      if (outside) stop_writing(port, held);
      port.give_up(room);
      call.place = call_place::nowhere;
      never_mind();
      throw;
    }
    if (outside) stop_writing(port, held);
  }
  if (withdrawn(call)) [[unlikely]] {
    port.give_up(room);
    call.place = call_place::nowhere;
    settle_from_outside(call, withdrawn_error(call));
    return host::post_result::full;
  }
  if (room.in_arena) port.arena.trim(room.slot, room.offset + used.offset, used.length);
  fill_header(port, room.slot, call, arguments.form, room.in_arena, (room.in_arena ? room.offset : 0) + used.offset,
              used.length);
  publish(port, room.slot, call);
  return host::post_result::posted;
}

// Its caller is told by an exception: there will be no outcome. A shutdown may be waiting for the last one.
void pool_core::never_mind() noexcept {
  --unsettled_;
  interrupt_collector();
}

// A death of the worker waits until nobody writes into its lane, and its ring is over by then.
void pool_core::stop_writing(host::lane_port& port, lock_type& held) {
  held.lock();
  if (--port.writers != 0 || !port.dead) return;
  deaths_due_.store(true, std::memory_order_relaxed);  // relaxed: `interrupt` publishes it
  interrupt_collector();
}

error pool_core::withdrawn_error(const call_state& call) const {
  if (call.abort_wanted) return error(base_failure(call, errc::aborted, "aborted before it was started"));
  return broken_ ? with_cause(call, *broken_) : closed_error(call);
}

error pool_core::invalid_error(const call_state& call, const char* fault) const {
  return error(base_failure(call, errc::invalid_options, fault));
}

error pool_core::closed_error(const call_state& call) const {
  return error(base_failure(call, errc::pool_closed, "the pool has been shut down"));
}

inline void pool_core::fill_header(host::lane_port& port, unsigned slot, call_state& call, payload_form form,
                                   bool in_arena, std::uint64_t offset, std::uint64_t length) {
  if (call.id == 0) call.id = next_call_id_++;
  shm::request_header& header = port.lane.header(slot);
  // Where the supervisor looks at what a worker uses it looks at a call without a limit on the clock all the same.
  const std::uint64_t without = port.shortest_use_ns == base::never_ns ? 0 : base::never_ns;
  const std::uint64_t limit = call.timeout_ns == 0 ? without : base::saturating_add(call.timeout_ns, call.grace_ns);
  header.call_id.store(call.id, std::memory_order_relaxed);  // relaxed, all three: published by `posted`
  header.posted_at_ns.store(limit == 0 ? 0 : base::now_ns(), std::memory_order_relaxed);
  header.limit_ns.store(limit, std::memory_order_relaxed);
  header.task = call.task_index;
  header.form = static_cast<std::uint8_t>(form);
  header.flags = static_cast<std::uint8_t>(port.lane.base_flags(slot) | (in_arena ? shm::request_flags::in_arena : 0) |
                                           (port.in_flight_count() > crowd ? shm::request_flags::in_crowd : 0));
  header.soft_limit = call.timeout_ns == 0 || call.grace_ns == 0 ? 0 : shm::packed_time(call.timeout_ns);
  header.offset = offset;
  header.length = length;
}

// A light fence, then the worker is woken in whatever way it sleeps.
void pool_core::wake(host::lane_port& port) noexcept {
  if (port.lane.wake_worker() == shm::parked::event) base::ring_eventfd(port.event_fd.get());
}

inline void pool_core::publish(host::lane_port& port, unsigned slot, call_state& call) {
  const std::uint64_t estimate = estimates_.of(call.task_index);
  host::slot_state& state = port.slots[slot];
  state.call = host::call_ptr::share(&call);
  state.call_id = call.id;
  state.sequence = next_sequence_++;
  state.estimate_ns = estimate;
  state.recall_asked = false;
  call.place = call_place::posted;
  call.lane = static_cast<std::uint8_t>(port.index);
  call.slot = static_cast<std::uint8_t>(slot);
  ++call.attempts;
  port.load_ns += estimate;
  ++port.figures.posted;
  ++figures_.posted;
  if (options_.on_event) [[unlikely]]
    emit(event_kind::call_posted, &call, &port);
  call.kept = {};
  if (port.lane.in_flight() == 0) awaited_.add(port.index);
  port.lane.publish(slot);
  wake(port);
  const shm::request_header& header = port.lane.header(slot);
  if (const std::uint64_t limit = header.limit_ns.load(std::memory_order_relaxed); limit != 0) {
    std::atomic_thread_fence(
        std::memory_order_seq_cst);  // SYNC next_look: `posted`, then this look; against the supervisor
    const std::uint64_t due = base::saturating_add(header.posted_at_ns.load(std::memory_order_relaxed),
                                                   std::min(limit, port.shortest_use_ns));
    if (due < supervisor_->next_look_ns.load(std::memory_order_acquire)) ring_supervisor();
  }
  if (port.in_flight_count() > 1) posted_behind(call);
}

}  // namespace selvage::detail

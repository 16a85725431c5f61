// An answer becomes an outcome. Everything a worker wrote is read once, checked, and only then used. `inline`: see
// posting.cpp.

#include <algorithm>
#include <cstring>

#include "base/clock.hpp"
#include "pool/answer.hpp"
#include "pool/core.hpp"
#include "pool/limit_text.hpp"
#include "pool/refusal_text.hpp"
#include "schema/describe_exception.hpp"
#include "schema/exception_report.hpp"

namespace selvage::detail {
namespace {

/// Above this, bytes are copied out outside the lock.
constexpr std::size_t copy_under_lock_bytes = 4096;

}  // namespace

// `alone`: no other answer is there: then it is likely to be in the line of `done`, which a worker that has more to do
// writes all the time.
// Returns: how many bytes of the arena the answer claims: a worker's word, and no more than a hint.
std::uint64_t pool_core::settle_answer(host::lane_port& port, unsigned slot, bool alone, lock_type& held) {
  host::slot_state& state = port.slots[slot];
  const std::uint64_t call_id = state.call_id;
  shm::express_copy quick;
  shm::express_payload quick_payload;
  const bool at_once = alone && port.lane.newest_answer(slot, call_id, quick, quick_payload);
  const host::told_answer told =
      at_once ? host::read_answer(call_id, quick, quick_payload) : host::read_answer(port.lane.response(slot));
  const std::byte* const inlined = at_once ? quick_payload.bytes.data() : port.lane.response(slot).payload;
  call_state* const call = bury(std::move(state.call));
  if (state.moved) [[unlikely]]
    (void)bury(std::move(state.moved));
  const bool recalled = state.recall_asked;
  port.lane.settle(slot);
  if (port.lane.in_flight() == 0 && port.ready) awaited_.remove(port.index);
  port.forget(slot);
  port.stalled = false;
  ++port.figures.settled;
  if (++port.calls_of_epoch == port.calls_until_retire) retire(port, shm::recycle_reason::calls);
  const bool ours = told.call_id == call_id;
  if (ours && told.worker_is_spent && port.limits.memory_bytes != 0) retire(port, shm::recycle_reason::memory);
  if (ours && told.status == shm::response_status::skipped && recalled) {
    port.lane.free(slot);
    if (call != nullptr && !call->settled()) put_back(*call, port, slot);
    return 0;
  }
  if (call != nullptr && !call->settled()) {
    if (!ours) {
      answer_is_bad(port, *call, "it answers another call");
    } else {
      if (options_.on_event) [[unlikely]]
        emit(event_kind::call_started, call, &port);
      accept_answer(port, slot, *call, told, inlined, held);
    }
    if (call->in_place) return told.length;  // the slot is held by a view
  }
  port.lane.free(slot);
  if (!told.in_arena) return 0;
  wake(port);  // it may wait for arena room
  return told.length;
}

inline void pool_core::accept_answer(host::lane_port& port, unsigned slot, call_state& call,
                                     const host::told_answer& told, const std::byte* inlined, lock_type& held) {
  const bool threw = told.status == shm::response_status::exception;
  if (told.status != shm::response_status::ok && !threw) return accept_status(port, call, told);
  // What is to be said of an exception is not the task's result: the cap is not for it.
  const std::uint64_t cap = threw ? std::max<std::uint64_t>(payload_cap_, schema::report_bytes) : payload_cap_;
  const char* fault = host::place_fault(told, shape_.response_arena_bytes, cap);
  if (fault == nullptr && told.in_arena && !port.readable(told.offset, told.length))
    fault = "its payload is in memory that cannot be had";
  if (fault != nullptr) [[unlikely]]
    return answer_is_bad(port, call, fault);
  const std::byte* const from = (told.in_arena ? port.lane.response_arena() : inlined) + told.offset;
  const payload_view answer{told.form, {from, static_cast<std::size_t>(told.length)}};
  if (threw) return accept_exception(port, call, answer);
  (void)some_threads_were_refused(port);  // this call was content with that
  estimates_.learn(call.task_index, told.service_ns);
  accept_value(port, slot, call, answer, told.in_arena, held);
  if (call.settled() && !call.problem) figures_.time(call.task_index, told.service_ns);
}

// An answer without a payload.
void pool_core::accept_status(host::lane_port& port, call_state& call, const host::told_answer& told) {
  switch (told.status) {
    case shm::response_status::payload_too_large:
      settle(call, error(base_failure(call, errc::payload_too_large,
                                      "the result takes " + std::to_string(told.length) + " bytes, the cap is " +
                                          std::to_string(payload_cap_) + " (pool_options::payload_cap)")));
      return;
    case shm::response_status::payload_exhausted:
      settle(call, error(base_failure(call, errc::payload_exhausted,
                                      "no shared memory for the result: " + shm::shared_memory_figures(told.length))));
      return;
    case shm::response_status::out_of_memory:
      settle(call,
             error(base_failure(call, errc::out_of_memory,
                                port.limits.memory_bytes == 0
                                    ? "an allocation failed in the worker (std::bad_alloc)"
                                    : "an allocation failed in the worker, whose limit is " +
                                          std::to_string(port.limits.memory_bytes) + " bytes (pool_options::memory)")));
      return;
    default:
      answer_is_bad(port, call, "its status is none");
  }
}

// Returns: its bytes stay where they are, for a view.
bool pool_core::accept_in_place(host::lane_port& port, unsigned slot, call_state& call, const payload_view& answer) {
  const std::size_t size = answer.bytes.size();
  const auto offset = static_cast<std::uint64_t>(answer.bytes.data() - port.lane.response_arena());
  if (size == 0 || !call.keep_in_place(answer) || !port.view_fits(offset, size, payload_cap_)) return false;
  port.hold_view(slot, offset, size);
  call.in_place = true;
  call.lane = static_cast<std::uint8_t>(port.index);
  call.slot = static_cast<std::uint8_t>(slot);
  call.keeps_pool = shared_from_this();
  settle(call);
  return true;
}

inline void pool_core::accept_value(host::lane_port& port, unsigned slot, call_state& call, const payload_view& answer,
                                    bool in_arena, lock_type& held) {
  if (in_arena && accept_in_place(port, slot, call, answer)) return;
  // Copying a large answer is no reason to keep others from posting. The slot is still ours, and only we handle deaths.
  const bool outside = answer.bytes.size() > copy_under_lock_bytes;
  std::string fault;
  if (outside) held.unlock();
  try {
    fault = call.receive(answer);
  } catch (const std::bad_alloc&) {
    fault = {};
    if (outside) held.lock();
    settle(call, error(base_failure(
                     call, errc::out_of_memory,
                     "no memory in the host for a result of " + std::to_string(answer.bytes.size()) + " bytes")));
    return;
  }
  if (outside) held.lock();
  if (call.settled()) return;  // the pool was closed meanwhile
  if (fault.empty()) {
    settle(call);
  } else {
    answer_is_bad(port, call, fault);
  }
}

void pool_core::accept_exception(host::lane_port& port, call_state& call, const payload_view& answer) {
  if (answer.bytes.empty()) {
    return settle(call, error(base_failure(call, errc::task_failed,
                                           "the task threw, and there was no shared memory for what it threw")));
  }
  private_bytes copy;
  copy.assign(answer.bytes);
  auto report = schema::decode(copy.view());
  if (!report) return answer_is_bad(port, call, "its exception report is malformed");
  failure what = base_failure(call, errc::task_failed, std::move(report->what));
  what.exception_type = std::move(report->type);
  what.causes = std::move(report->causes);
  if (auto limit = host::limit_behind(report->system_error, port.limits, some_threads_were_refused(port))) {
    what.code = limit->code;
    what.message += "; " + limit->text;
  }
  if (const auto refused = host::last_refusal(port.lane.refusal(), port.lane.open_epoch());
      refused && refused->call_id == call.id) {
    what.refused_call = refused->call;
    what.message += "; it had been refused " + refused->call + ": " + refused->remedy;
  }
  settle(call, error(std::move(what)));
}

// Since this was asked last of this lane. Not every pool wants to know.
bool pool_core::some_threads_were_refused(host::lane_port& port) const noexcept {
  if (!port.limits.counts_threads()) return false;
  const std::uint32_t before = port.threads_refused;
  // relaxed: the worker was answered, and has answered us, since
  port.threads_refused = supervisor_lanes_[port.index].words.threads_refused.load(std::memory_order_relaxed);
  return port.threads_refused != before;
}

void pool_core::answer_is_bad(host::lane_port& port, call_state& call, const std::string& why) {
  ++port.figures.bad_responses;
  settle(call, error(base_failure(call, errc::bad_response, "the worker's answer is not valid: " + why)));
}

// The worker is to be replaced once it has finished what it runs. What is posted and not started moves on.
void pool_core::retire(host::lane_port& port, shm::recycle_reason why) {
  port.retiring = true;
  port.lane.request_retire(why);
  ring_supervisor();
}

// The call's one outcome: the value that it has received.
void pool_core::settle(call_state& call) {
  figures_.count(call.task_index, true);
  conclude(call);
}

// The call's one outcome: an error.
void pool_core::settle(call_state& call, error problem) {
  call.problem = std::move(problem);
  if (index_.find(*call.task)) {
    figures_.count(call.task_index, false);
  } else {
    ++figures_.failed;  // a task that the pool does not know has no row
  }
  conclude(call);
}

// Wakes whoever waits for it.
inline void pool_core::conclude(call_state& call) {
  host::lane_port* const port = call.place == call_place::posted ? lanes_[call.lane].get() : nullptr;
  call.place = call_place::settled;
  --unsettled_;
  std::function<void()> callback;
  if (call.on_settled) callback = std::move(call.on_settled);
  if (options_.on_event) [[unlikely]]
    emit(event_kind::call_settled, &call, port);
  waiter* const sleeper = call.sleeper;
  call.phase.store(static_cast<std::uint32_t>(call_phase::settled), std::memory_order_release);  // SYNC settled
  if (sleeper != nullptr) summon(*sleeper);
  if (call.completions != nullptr) arrive(call);
  if (callback) {
    callbacks_.push_back(std::move(callback));
    --callbacks_pending_;
    wake_helper();
  }
}

// By a thread that is not the collector, which may be waiting for this very call.
void pool_core::settle_from_outside(call_state& call, error problem) {
  settle(call, std::move(problem));
  interrupt_collector();
}

failure pool_core::base_failure(const call_state& call, errc code, std::string message) const {
  failure what;
  what.code = code;
  what.message = std::move(message);
  what.task = task_name(call);
  what.call_id = call.id;
  what.attempt = call.attempts;
  if (call.place == call_place::posted) what.worker_pid = pid_of(*lanes_[call.lane]);
  return what;
}

std::string pool_core::task_name(const call_state& call) const { return name_of_task(call); }

std::string name_of_task(const call_state& call) { return call.task == nullptr ? std::string() : call.task->name; }

error bad_response(const call_state& call, std::string task, std::string what) {
  failure it;
  it.code = errc::bad_response;
  it.message = "the worker's answer is not valid: " + std::move(what);
  it.task = std::move(task);
  it.call_id = call.id;
  it.attempt = call.attempts;
  return error(std::move(it));
}

}  // namespace selvage::detail

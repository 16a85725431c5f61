// What the trace hook is told. Called by: every part of the pool, under its lock, only where there is a hook. Never:
// decides anything.

#include <algorithm>

#include "base/clock.hpp"
#include "pool/core.hpp"

namespace selvage::detail {

void pool_core::emit(event_kind kind, const call_state* call, host::lane_port* port,
                     const shm::verdict* verdict) const {
  event it{.kind = kind, .time_ns = base::now_ns()};
  if (call != nullptr) {
    it.call_id = call->id;
    if (call->task != nullptr) it.task = call->task->name;
    it.succeeded = kind == event_kind::call_settled && !call->problem;
    if (call->problem) it.code = call->problem->code();
  }
  if (port != nullptr) {
    it.lane = port->index;
    it.epoch = port->lane.open_epoch();
    it.worker_pid = pid_of(*port);
    // A hint: nobody can say that it was later than now.
    if (kind == event_kind::call_started && call != nullptr)
      it.time_ns = std::min(it.time_ns, port->lane.response(call->slot).started_at_ns.load(std::memory_order_relaxed));
  }
  if (verdict != nullptr) {
    if (verdict->epoch != 0) it.epoch = verdict->epoch;
    it.worker_pid = verdict->pid;
    it.signal = verdict->signal;
    it.exit_status = verdict->exit_status;
  }
  options_.on_event(it);
}

// Asked first when it becomes ready, and remembered: the supervisor forgets the number as soon as the worker is dead.
std::int32_t pool_core::pid_of(host::lane_port& port) const noexcept {
  if (port.worker_pid == 0) {
    const shm::supervisor_words& words = supervisor_lanes_[port.index].words;
    const std::uint32_t pid = words.pid.load(std::memory_order_acquire);
    // relaxed: the pid of a later epoch is stored after that epoch's number, with a fork between the two
    if (words.epoch.load(std::memory_order_relaxed) == port.lane.open_epoch())
      port.worker_pid = static_cast<std::int32_t>(pid);
  }
  return port.worker_pid;
}

}  // namespace selvage::detail

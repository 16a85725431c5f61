// What futures, views and stop tokens ask of the pool, and the free functions through which public headers reach it.

#include <algorithm>

#include "base/clock.hpp"
#include "base/syscalls.hpp"
#include "pool/collecting.hpp"
#include "pool/core.hpp"
#include "pool/visit.hpp"

namespace selvage::detail {
namespace {

/// Aborts the inputs of a call that nobody waits for any more: nobody else has their futures.
struct unwanted_inputs {
  std::vector<host::call_ptr> calls;
  unwanted_inputs() = default;
  unwanted_inputs(const unwanted_inputs&) = delete;
  unwanted_inputs& operator=(const unwanted_inputs&) = delete;
  ~unwanted_inputs() {
    for (const host::call_ptr& each : calls) abort_call(*each.get());
  }
};

}  // namespace

bool pool_core::wait(call_state& call, std::uint64_t until_ns) {
  return wait_for_word(call.sleeper, call.phase, until_ns,
                       {.ns = std::min(patience_ns_, look_interval_ns), .one = &call});
}

// Blocks until `word` is set, or until the time has come. Whoever sets it does so under the lock, or interrupts the
// collector afterwards, and summons `place`. Returns: it is set.
bool pool_core::wait_for_word(waiter*& place, const std::atomic<std::uint32_t>& word, std::uint64_t until_ns,
                              const patience& how) {
  waiter self;
  const auto set = [&word] { return word.load(std::memory_order_acquire) != 0; };  // SYNC settled, SYNC news
  if (options_.inline_lane.where == inline_options::position::none) {
    return sleep_or_collect(self, &place, set, until_ns, how);
  }
  const auto work_or_set = [&] {
    const lock_type look(lock_);
    return set() || inline_work();
  };
  while (!set()) {
    if (!run_inline_batch(word)) {
      if (!sleep_or_collect(self, &place, work_or_set, until_ns, {})) return false;
    } else if (until_ns != base::never_ns && base::now_ns() >= until_ns) {
      return set();
    }
  }
  return true;
}

void pool_core::abort(call_state& call) noexcept {
  host::call_ptr let_go;    // behind the lock: its destructor may be anybody's
  unwanted_inputs orphans;  // behind the lock: they may be another pool's, or this one's
  const lock_type held(lock_);
  if (call.settled() || call.abort_wanted) return;
  call.abort_wanted = true;
  const auto aborted = [&] { return error(base_failure(call, errc::aborted, "aborted before it was started")); };
  switch (call.place) {
    case call_place::queued:
      let_go = desk_of(call).queue.take_out(call);
      settle_from_outside(call, aborted());
      summon_those_without_room();
      break;
    case call_place::posted: {
      host::lane_port& port = *lanes_[call.lane];
      host::slot_state& state = port.slots[call.slot];
      if (state.call.get() != &call) break;  // its answer is being read
      state.recall_asked = true;
      if (port.lane.recall(call.slot)) {
        let_go = std::move(state.call);
        settle_from_outside(call, aborted());
        break;
      }
      port.lane.raise_abort(call.slot);
      // The task may sleep until it is told; or the worker, whose coroutine is to be told.
      shm::ring(port.lane.worker_doorbell());
      if (port.lane.wake_worker() == shm::parked::event) base::ring_eventfd(port.event_fd.get());
      if (call.grace_ns != 0) {
        port.lane.kill_at(call.slot, base::saturating_add(base::now_ns(), call.grace_ns));
        ring_supervisor();
      }
      break;
    }
    case call_place::nowhere:
      if (waiting_call waited = no_longer_waits(call); waited.call) {  // its inputs will find it settled
        let_go = std::move(waited.call);
        orphans.calls = std::move(waited.inputs);
        settle_from_outside(call, aborted());
      }
      break;
    case call_place::queued_inline:
      let_go = inline_queue_.take_out(call);
      settle_from_outside(call, aborted());
      break;
    case call_place::running_inline:
      call.abort_word.store(1, std::memory_order_release);  // SYNC abort_word: seen by the run on another thread
      shm::ring(call.abort_bell);
      break;
    case call_place::claimed:  // being written by another thread, which looks at abort_wanted before it posts
    case call_place::settled:
      break;
  }
}

void pool_core::notify(call_state& call, std::function<void()> callback) {
  lock_type held(lock_);
  if (call.settled()) {
    held.unlock();
    return callback();
  }
  call.on_settled = std::move(callback);
  ++callbacks_pending_;
  need_helper(helper_duty::collect);
  if (helper_stands_by_) wake_helper();
  stop_gathering();
  if (helper_runs_) return;
  --callbacks_pending_;
  callback = std::move(call.on_settled);  // goes without the lock, as it came
  throw error(errc::worker_start_failed, "the pool's helper thread, which runs callbacks, could not be started");
}

void pool_core::release_in_place(call_state& call) noexcept {
  if (!call.in_place) return;
  const lock_type held(lock_);
  call.in_place = false;
  host::lane_port& port = *lanes_[call.lane];
  port.drop_view(call.slot);
  if (port.drained) {
    if (port.views != 0 || state_ == state::closed) return;
    port.reset();
    open_next(port);
    return;
  }
  port.lane.free(call.slot);
  wake(port);
}

// ---- from public headers -------------------------------------------------------------------------------------------

namespace {

// In a forked child nothing will ever settle this copy of the call, and no lock of the pool may be touched.
void settle_in_child(call_state& call) {
  call.problem =
      error(errc::pool_closed, "this pool belongs to the process that built it, of which this one is a forked child");
  call.phase.store(static_cast<std::uint32_t>(call_phase::settled), std::memory_order_release);  // SYNC settled
}

}  // namespace

bool wait_until_settled(call_state& call, std::uint64_t until_ns) {
  if (call.settled()) return true;
  if (!base::is_this_process(call.process)) {
    settle_in_child(call);
    return true;
  }
  const host::visit pool(call);  // which may be destroyed while we wait
  return !pool || pool->wait(call, until_ns);
}

void abort_call(call_state& call) noexcept {
  if (call.settled() || !base::is_this_process(call.process)) return;
  if (const host::visit pool(call); pool) pool->abort(call);
}

void notify_when_settled(call_state& call, std::function<void()> callback) {
  if (!call.settled() && !base::is_this_process(call.process)) settle_in_child(call);
  if (call.settled()) return callback();
  if (const host::visit pool(call); pool) return pool->notify(call, std::move(callback));
  callback();
}

void release_in_place(call_state& call) noexcept {
  const std::shared_ptr<void> pool = std::move(call.keeps_pool);
  if (!pool) return;  // given back already
  if (base::is_this_process(call.process)) call.owner->release_in_place(call);
  call.in_place = false;  // in a forked child too: the pool may be gone when the call goes
}

std::uint64_t deadline_after(std::chrono::nanoseconds time) noexcept {
  return base::saturating_add(base::now_ns(), base::to_ns(time));
}

void stop_trigger::operator()() const noexcept { abort_call(*call); }

void submit(pool_core& core, call_state& call, const task_record& task, const payload_source& arguments,
            const call_options& options, when_full full) {
  if (!core.in_owner()) return settle_in_child(call);
  core.submit(call, task, arguments, options, full);
}

void submit_after(pool_core& core, call_state& call, const task_record& task, std::span<call_state* const> inputs,
                  const call_options& options, when_full full, std::function<void()> launch) {
  if (!core.in_owner()) return settle_in_child(call);
  core.submit_after(call, task, inputs, options, full, std::move(launch));
}

void fail_waiting(pool_core& core, call_state& call, const std::exception_ptr& problem) {
  core.fail_waiting(call, problem);
}

void resume_waiting(pool_core& core, call_state& call, const payload_source& arguments) {
  core.resume_waiting(call, arguments);
}

}  // namespace selvage::detail

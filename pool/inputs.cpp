// Calls that have futures among their arguments: they wait until every outcome is known, and are then submitted by
// whoever settled the last one (a helper thread, this pool's or another's; the caller where all were settled), or
// settled with the error of an input.

#include <algorithm>

#include "pool/collecting.hpp"
#include "pool/core.hpp"
#include "pool/options.hpp"
#include "schema/describe_exception.hpp"

namespace selvage::detail {
namespace {

/// What an input failed with, or what came of encoding its value.
struct input_failure {
  error why;
  bool is_the_inputs_own = false;
};

input_failure failure_of(const std::exception_ptr& problem) {
  try {
    std::rethrow_exception(problem);
  } catch (const error& known) {
    return {.why = known, .is_the_inputs_own = true};
  } catch (const std::bad_alloc&) {
    return {.why = error(errc::out_of_memory, "no memory in the host for its arguments")};
  } catch (...) {
    auto report = schema::describe(problem);
    failure what;
    what.message = "its arguments could not be encoded: " + report.what;
    what.exception_type = std::move(report.type);
    what.causes = std::move(report.causes);
    return {.why = error(std::move(what))};
  }
}

}  // namespace

void pool_core::submit_after(call_state& call, const task_record& task, std::span<call_state* const> inputs,
                             const call_options& options, when_full full, std::function<void()> launch) {
  prepare(call, task, options);
  waiting_call waits{.call = host::call_ptr::share(&call), .inputs = {}};
  for (call_state* const input : inputs) waits.inputs.push_back(host::call_ptr::share(input));
  std::optional<error> refused;  // if the task is known, the pool keeps its record for as long as the call may wait
  if (!find_task(call, task)) refused = unknown_task_error(call);
  {
    lock_type held(lock_);
    ++unsettled_;
    if (!refused && withdrawn(call)) refused = withdrawn_error(call);
    if (const char* const fault = host::fault_of(options)) refused = invalid_error(call, fault);
    if (!refused) refused = admit_waiting(call, options, full, held);
    if (refused) return settle_from_outside(call, std::move(*refused));
    waiting_.emplace(&call, std::move(waits));
  }
  try {
    launch_after(call, inputs, options, std::move(launch));
  } catch (...) {  // no memory, or no thread to run what is due: this call's outcome, like any other
    fail_waiting(call, std::current_exception());
  }
}

void pool_core::launch_after(call_state& call, std::span<call_state* const> inputs, const call_options& options,
                             std::function<void()> launch) {
  if (options.stop.stop_possible()) call.stop.emplace(options.stop, stop_trigger{&call});
  // Call and pool are kept alive by the closure, for an input may be another pool's; the last one to be settled
  // launches it.
  auto left = std::make_shared<std::atomic<std::size_t>>(inputs.size());
  struct due_call {
    std::shared_ptr<pool_core> pool;
    host::call_ptr call;
    std::function<void()> launch;
  };
  auto shared = std::make_shared<due_call>(
      due_call{.pool = shared_from_this(), .call = host::call_ptr::share(&call), .launch = std::move(launch)});
  for (call_state* const input : inputs) {
    // The last decrement acquires what the settling of every other input released.
    notify_when_settled(*input, [left, shared] {
      if (left->fetch_sub(1, std::memory_order_acq_rel) == 1) shared->launch();
    });
  }
}

// Requires: the lock. Blocks: while as many calls wait for their inputs as may be queued, but for those that wait in
// line. The helper thread launches those, so it must not wait for them: a callback's call is admitted over the bound.
std::optional<error> pool_core::admit_waiting(call_state& call, const call_options& options, when_full full,
                                              lock_type& held) {
  const auto has_room = [this] {
    return waiting_.size() < options_.queue || std::this_thread::get_id() == helper_.get_id();
  };
  while (state_ == state::open && full != when_full::line && !has_room()) {
    if (full == when_full::refuse) {
      return error(base_failure(call, errc::queue_full,
                                std::to_string(waiting_.size()) + " calls wait for futures among their arguments; " +
                                    "wait for some, or raise pool_options::queue"));
    }
    wait_for_room(held, options.stop, has_room);
    if (options.stop.stop_requested()) call.abort_wanted = true;
    if (withdrawn(call)) return withdrawn_error(call);
  }
  return state_ == state::open ? std::nullopt : std::optional(closed_error(call));
}

// It was admitted when it was called: the bound of the queue does not refuse it now.
void pool_core::resume_waiting(call_state& call, const payload_source& given) {
  const std::optional<std::size_t> size = too_large(call, given);
  const payload_source arguments = call.kept.storage ? kept_source(call.kept) : given;
  waiting_call kept;  // goes without the lock
  lock_type held(lock_);
  kept = no_longer_waits(call);
  if (call.settled()) return;  // aborted, or the pool was closed meanwhile
  if (size) return settle_from_outside(call, too_large_error(call, *size));
  if (withdrawn(call)) return settle_from_outside(call, withdrawn_error(call));
  try {
    class_desk& desk = desk_of(call);
    if (!desk.queue.empty() || pumping_ || !post_somewhere(desk, call, arguments, held)) {
      if (!call.settled()) enqueue(call, arguments, desk.queue, held);
    }
  } catch (...) {
    ++unsettled_;  // nobody is there to be told, as a caller of submit would be: fail_waiting settles it
    throw;
  }
}

void pool_core::fail_waiting(call_state& call, const std::exception_ptr& problem) {
  const input_failure why = failure_of(problem);  // runs code of the program: not under the lock
  waiting_call kept;                              // goes without the lock
  const lock_type held(lock_);
  kept = no_longer_waits(call);
  if (call.settled()) return;
  settle_from_outside(call, why.is_the_inputs_own ? why.why : with_cause(call, why.why));
}

// Requires: the lock. Returns: what was kept of it; nothing where it did not wait.
waiting_call pool_core::no_longer_waits(call_state& call) {
  auto waited = waiting_.extract(&call);
  if (!waited) return {};
  summon_those_without_room();
  interrupt_collector();
  return std::move(waited.mapped());
}

}  // namespace selvage::detail

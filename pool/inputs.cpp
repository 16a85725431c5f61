// Calls that have futures among their arguments: they wait until every outcome is known, and are then submitted by the
// helper thread, or settled with the error of an input.

#include <algorithm>

#include "pool/collecting.hpp"
#include "pool/core.hpp"
#include "pool/options.hpp"
#include "schema/describe_exception.hpp"

namespace selvage::detail {

void pool_core::submit_after(call_state& call, const task_record& task, std::span<call_state* const> inputs,
                             const call_options& options, when_full full, std::function<void()> launch) {
  prepare(call, task, options);
  auto refused = find_task(call, task);  // if it is known, the pool keeps the record for as long as the call may wait
  {
    lock_type held(lock_);
    ++unsettled_;
    if (!refused) refused = withdrawn(call);
    if (const char* const fault = host::fault_of(options)) refused = invalid_error(call, fault);
    if (!refused) refused = admit_waiting(call, options, full, held);
    if (refused) return settle_from_outside(call, std::move(*refused));
    waiting_.emplace(&call, host::call_ptr::share(&call));
  }
  if (options.stop.stop_possible()) call.stop.emplace(options.stop, stop_trigger{&call});
  // Call and pool are kept alive by the closure, for an input may be another pool's; the last one to be settled
  // launches it.
  auto left = std::make_shared<std::atomic<std::size_t>>(inputs.size());
  struct waiting_call {
    std::shared_ptr<pool_core> pool;
    host::call_ptr call;
    std::function<void()> launch;
  };
  auto shared = std::make_shared<waiting_call>(shared_from_this(), host::call_ptr::share(&call), std::move(launch));
  for (call_state* const input : inputs) {
    // The last decrement acquires what the settling of every other input released
    notify_when_settled(*input, [left, shared] {
      if (left->fetch_sub(1, std::memory_order_acq_rel) == 1) shared->launch();
    });
  }
}

// Requires: the lock. Blocks: while as many calls wait for their inputs as may be queued, but
// for those that wait in line. The helper thread launches
// those, so it must not wait for them: a callback's call is admitted over the bound.
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
    if (auto refused = withdrawn(call)) return refused;
  }
  return state_ == state::open ? std::nullopt : std::optional(closed_error(call));
}

// It was admitted when it was called: the bound of the queue does not refuse it now.
void pool_core::resume_waiting(call_state& call, const payload_source& given) {
  auto refused = admit(call, given);
  const payload_source arguments = call.kept.storage ? kept_source(call.kept) : given;
  lock_type held(lock_);
  const auto kept = no_longer_waits(call);
  if (call.settled()) return;  // aborted, or the pool was closed meanwhile
  if (!refused) refused = withdrawn(call);
  if (refused) {
    settle_from_outside(call, std::move(*refused));
    return;
  }
  try {
    if (!queue_.empty() || pumping_ || !post_somewhere(call, arguments, held)) {
      if (!call.settled()) enqueue(call, arguments, queue_, held);
    }
  } catch (...) {
    ++unsettled_;  // nobody is there to be told, as a caller of submit would be: fail_waiting settles it
    throw;
  }
}

void pool_core::fail_waiting(call_state& call, const std::exception_ptr& problem) {
  error why = input_error(call, problem);
  const lock_type held(lock_);
  const auto kept = no_longer_waits(call);
  if (!call.settled()) settle_from_outside(call, std::move(why));
}

// Requires: the lock. Returns: the reference that was kept.
host::call_ptr pool_core::no_longer_waits(call_state& call) {
  auto waited = waiting_.extract(&call);
  if (!waited) return {};
  summon_those_without_room();
  interrupt_collector();
  return std::move(waited.mapped());
}

// What an input failed with, or what came of encoding its value.
error pool_core::input_error(const call_state& call, const std::exception_ptr& problem) const {
  try {
    std::rethrow_exception(problem);
  } catch (const error& known) {
    return known;
  } catch (const std::bad_alloc&) {
    return error(base_failure(call, errc::out_of_memory, "no memory in the host for its arguments"));
  } catch (...) {
    auto report = schema::describe(problem);
    failure what = base_failure(call, errc::task_failed, "its arguments could not be encoded: " + report.what);
    what.exception_type = std::move(report.type);
    what.causes = std::move(report.causes);
    return error(std::move(what));
  }
}

}  // namespace selvage::detail

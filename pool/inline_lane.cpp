// The inline lane: threads that wait for an answer run calls themselves, in this process, where
// pool_options::inline_lane says so.

#include <algorithm>

#include "base/clock.hpp"
#include "pool/core.hpp"
#include "pool/inline_call.hpp"

namespace selvage::detail {
namespace {

bool can_give_to_inline_lane(const std::unique_ptr<class_desk>& desk) noexcept {
  return !desk->queue.empty() && !desk->queue.front()->task->coroutine;
}

}  // namespace

// Requires: the lock. A call that the inline lane is offered before the workers waits in a queue of its own.
bool pool_core::inline_lane_takes(const task_record& task) const noexcept {
  const inline_options& lane = options_.inline_lane;
  return lane.where == inline_options::position::first && !task.coroutine && unsettled_ >= lane.threshold &&
         inline_queue_.size() < lane.batch;
}

// Requires: the lock. A coroutine needs a worker's event loop; what is queued behind it keeps its place.
bool pool_core::inline_work() const noexcept {
  const inline_options& lane = options_.inline_lane;
  if (!inline_queue_.empty()) return true;
  return lane.where == inline_options::position::last && unsettled_ >= lane.threshold &&
         std::any_of(desks_.begin(), desks_.end(), can_give_to_inline_lane);
}

// Runs up to a batch of calls on this thread, or until `word` is set. Returns: some call was run.
bool pool_core::run_inline_batch(const std::atomic<std::uint32_t>& word) {
  bool ran = false;
  // relaxed: whoever waits for it looks again
  for (unsigned i = 0; i < options_.inline_lane.batch && word.load(std::memory_order_relaxed) == 0; ++i) {
    host::call_ptr next;
    {
      const lock_type held(lock_);
      if (state_ == state::closed || !inline_work()) break;
      next = inline_queue_.pop();
      if (!next) {
        next = (*std::find_if(desks_.begin(), desks_.end(), can_give_to_inline_lane))->queue.pop();
        summon_those_without_room();
        interrupt_collector();  // which may wait for room as well
      }
      next->place = call_place::running_inline;
      if (next->id == 0) next->id = next_call_id_++;
      ++next->attempts;
    }
    run_inline(*next.get());
    ran = true;
  }
  return ran;
}

void pool_core::run_inline(call_state& call) {
  host::inline_call running(call);
  const std::uint64_t started = base::now_ns();
  running.run(*call.task);
  const std::uint64_t took = base::now_ns() - started;
  std::optional<error> problem;
  if (const auto& thrown = running.exception()) {
    failure what = base_failure(call, errc::task_failed, thrown->what);
    what.exception_type = thrown->type;
    what.causes = thrown->causes;
    problem.emplace(std::move(what));
  } else {
    try {
      if (const std::string fault = call.receive(running.answer()); !fault.empty())
        problem = bad_response(call, name_of_task(call), fault);
    } catch (const std::bad_alloc&) {
      problem = error(base_failure(call, errc::out_of_memory, "no memory for the result"));
    }
  }
  const lock_type held(lock_);
  if (call.settled()) return;  // the pool was closed meanwhile
  ++figures_.ran_inline;
  figures_.time(call.task_index, took);
  estimates_.learn(call.task_index, took);
  if (problem) {
    settle(call, std::move(*problem));
  } else {
    settle(call);
  }
  interrupt_collector();
}

// Nobody waits, so nobody runs them: they go to the workers after all. Requires: the lock.
void pool_core::release_inline_queue() {
  while (host::call_ptr call = inline_queue_.pop()) {
    class_desk& desk = desk_of(*call.get());
    desk.queue.push_back(std::move(call));
  }
}

}  // namespace selvage::detail

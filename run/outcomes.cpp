// What becomes of an item's outcome: it is kept where there is a store, counted, and told in its turn. Part of
// run/scheduler.hpp.

#include <chrono>
#include <utility>

#include <selvage/detail/contract.hpp>

#include "run/policy.hpp"
#include "run/scheduler.hpp"

namespace selvage::run_detail {

void scheduler::record(slot which) {
  item& its = items_[which];
  counts_.ran(its.key, its.ordinal, its.run_time);
  if (journal_ == nullptr) {
    move(which, item_event::recorded);
    return make_ready(which);
  }
  stored_item stored{.key = its.key,
                     .attempts = its.attempts,
                     .ordinal = its.ordinal,
                     .finished = std::chrono::system_clock::now(),
                     .run_time = its.run_time,
                     .peak_memory = its.peak_memory};
  if (its.problem) {
    stored.failed = its.problem->code();
    stored.message = its.problem->details().message;
  }
  if (its.has_value) stored.output = typed_.encode(which);
  const auto number = journal_->put(stored);
  if (!number) {
    give_up(which);
    return stop(stopping::now, run_report::ending::failed, number.error());
  }
  its.record = *number;
  recording_.push_back(which);
}

bool scheduler::take_durable() {
  if (journal_ == nullptr || recording_.empty()) return false;
  bool some = false;
  const std::uint64_t durable = journal_->durable();
  while (!recording_.empty() && items_[recording_.front()].record <= durable) {
    const slot which = recording_.front();
    recording_.pop_front();
    move(which, item_event::recorded);
    make_ready(which);
    some = true;
  }
  return some;
}

// The item's outcome is known, and kept where there is a journal.
void scheduler::make_ready(slot which) {
  --held_;
  if (items_[which].problem) {
    counts_.failed(items_[which].problem->code());
  } else {
    ++counts_.succeeded;
  }
  if (items_[which].is_first) {
    keys_.erase(items_[which].key);
    for (const slot twin : std::exchange(items_[which].twins, {})) {
      items_[twin].is_twin = true;
      if (!is_known(twin)) give_up(twin);  // the journal has failed
    }
  }
  if (!settings_.in_order) tell(which);
  if (stopping_ == stopping::no && is_time_to_halt(settings_.halt, counts_.succeeded, counts_.failed())) {
    stop(settings_.halt.how == halt_options::when::now ? stopping::now : stopping::soon, run_report::ending::halted,
         std::nullopt);
  }
}

bool scheduler::tell_outcomes() {
  bool some = false;
  while (!order_.empty()) {
    const slot which = order_.front();
    const item_state state = items_[which].state;
    if (state != item_state::ready && state != item_state::over) break;
    order_.pop_front();
    some = true;
    if (state == item_state::ready) {
      tell(which);
    } else {
      release(which);
    }
  }
  return some;
}

void scheduler::tell(slot which) {
  item& its = items_[which];
  if (settings_.tells_values) {
    typed_.emit(which, {its.ordinal, its.key, its.problem, its.has_value, its.attempts, its.resumed, its.run_time,
                        its.peak_memory});
  }
  move(which, item_event::told);
  release(which);
}

void scheduler::give_up(slot which) {
  item& its = items_[which];
  move(which, item_event::give_up);
  --held_;
  ++counts_.not_run;
  if (its.is_first) {
    keys_.erase(its.key);
    for (const slot twin : std::exchange(its.twins, {})) give_up(twin);
  }
  if (!settings_.in_order) release(which);  // else in its turn
}

void scheduler::release(slot which) {
  typed_.drop(which);
  free_.push_back(which);
}

void scheduler::move(slot which, item_event event) {
  const auto next = after(items_[which].state, event);
  detail::require(next.has_value(), "a run's item was told of an event that its state does not have");
  items_[which].state = *next;
}

}  // namespace selvage::run_detail

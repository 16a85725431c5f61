// See scheduler.hpp.

#include "run/scheduler.hpp"

#include <algorithm>
#include <functional>
#include <utility>

#include <selvage/detail/contract.hpp>

#include "run/policy.hpp"

namespace selvage::run_detail {
namespace {

using namespace std::chrono_literals;

/// What is aborted and does not heed it is left to the pool after its grace and this.
constexpr auto patience_with_the_aborted = 100ms;
/// Items are short where a worker takes less for one.
constexpr auto short_item = 500us;
constexpr unsigned outcomes_between_measurements = 64;
/// Outcomes on their way to the disk: as many as go there together by default.
constexpr std::size_t most_recording = 1024;
/// What is late by the time of others is aborted, and killed by its grace.
constexpr auto shortest_grace = 10ms;

}  // namespace

scheduler::scheduler(detail::run_items& items, const detail::run_settings& settings, const sizes& bounds, journal* kept,
                     tally& counts)
    : typed_(items),
      settings_(settings),
      bounds_(bounds),
      journal_(kept),
      counts_(counts),
      groups_(settings.group_limit),
      parallel_(bounds.parallel),
      pace_(settings) {}

// ---- the loop ------------------------------------------------------------------------------------------------------

void scheduler::run() {
  const auto wake = [this] { typed_.notify(); };
  const std::stop_callback on_stop(settings_.stop, wake);
  const std::stop_callback on_stop_now(settings_.stop_now, wake);
  while (!is_over()) {
    look_at_stops();
    end_late_attempts();
    bool moved = take_outcomes();
    moved |= take_durable();
    moved |= end_pauses();
    moved |= pull_items();
    moved |= start_items();
    moved |= tell_outcomes();
    tell_progress(false);
    if (moved || is_over()) continue;
    if (waits_for_the_disk()) journal_->hurry();
    sleep();
  }
  tell_progress(true);
}

bool scheduler::is_over() const { return (source_ended_ || stopping_ != stopping::no) && held_ == 0 && order_.empty(); }

void scheduler::sleep() {
  constexpr auto longest = 1h;
  time_point until = clock::now() + longest;
  if (!pauses_.empty()) until = std::min(until, pauses_.top().due);
  if (settings_.on_progress) until = std::min(until, told_progress_ + settings_.progress_interval);
  until = std::min({until, leave_at_, late_at_, pace_.held_until()});
  typed_.wait(std::max(clock::duration::zero(), until - clock::now()));
}

void scheduler::look_at_stops() {
  if (settings_.stop_now.stop_requested()) {
    stop(stopping::now, run_report::ending::stopped, std::nullopt);
  } else if (settings_.stop.stop_requested()) {
    stop(stopping::soon, run_report::ending::stopped, std::nullopt);
  }
  if (clock::now() >= leave_at_) leave_what_is_active();
  if (journal_ == nullptr) return;
  if (auto failed = journal_->failed()) {
    stop(stopping::now, run_report::ending::failed, std::move(failed));
    for (; !recording_.empty(); recording_.pop_front()) give_up(recording_.front());
  }
}

// The first reason is the one that is told, but for an error, which is told in any case; a harder stop may follow a
// softer one.
void scheduler::stop(stopping how, run_report::ending ending, std::optional<error> problem) {
  if (problem && !problem_) {
    how_ = ending;
    problem_ = std::move(problem);
  }
  if (how <= stopping_) return;
  if (stopping_ == stopping::no && !problem_) how_ = ending;
  stopping_ = how;
  typed_.stop_source();
  source_ended_ = true;
  while (const auto waiting = groups_.any()) give_up(*waiting);
  for (; !pauses_.empty(); pauses_.pop()) give_up(pauses_.top().of);
  if (how != stopping::now) return;
  leave_at_ = clock::now() + settings_.grace + patience_with_the_aborted;
  for (slot which = 0; which < items_.size(); ++which) {
    if (items_[which].state == item_state::active) typed_.abort(which);
  }
}

// It does not heed its abort signal: the pool has it, until its limits or the pool's end. Its outcome is nobody's.
void scheduler::leave_what_is_active() {
  leave_at_ = time_point::max();
  has_left_ = true;
  for (slot which = 0; which < items_.size(); ++which) {
    if (items_[which].state == item_state::active) give_up(which);
  }
  active_ = 0;
}

void scheduler::tell_progress(bool at_end) {
  if (!settings_.on_progress) return;
  const time_point now = clock::now();
  if (!at_end && now < told_progress_ + settings_.progress_interval) return;
  told_progress_ = now;
  settings_.on_progress(counts_.progress(active_, source_ended_));
}

// ---- items come in -------------------------------------------------------------------------------------------------

// An item whose outcome waits for the disk is neither waiting nor active.
bool scheduler::has_room() const {
  return held_ - recording_.size() < bounds_.buffer && recording_.size() < most_recording &&
         (!settings_.in_order || order_.size() < bounds_.window);
}

/// Nothing more can be done, or started in a free place, before what was put is durable.
bool scheduler::waits_for_the_disk() const {
  if (recording_.empty()) return false;
  if (active_ == 0) return groups_.waiting() == 0 && pauses_.empty();
  const bool is_first_in_the_window =
      settings_.in_order && order_.size() >= bounds_.window && items_[order_.front()].state == item_state::recording;
  return active_ < parallel_ && (is_first_in_the_window || recording_.size() >= most_recording);
}

bool scheduler::pull_items() {
  bool some = false;
  while (!source_ended_ && stopping_ == stopping::no && has_room()) {
    if (free_.empty()) {
      free_.push_back(static_cast<slot>(items_.size()));
      items_.emplace_back();
    }
    const slot which = free_.back();
    detail::pulled what = detail::pulled::end;
    std::optional<error> problem;
    try {
      what = typed_.pull(which);
    } catch (const error& thrown) {
      problem = thrown;
    } catch (const std::exception& thrown) {
      problem = error(errc::source_failed, std::string("the source of the items threw: ") + thrown.what());
    } catch (...) {
      problem = error(errc::source_failed, "the source of the items threw something");
    }
    if (what == detail::pulled::nothing_yet) break;
    if (what == detail::pulled::end) {
      source_ended_ = true;
      // What is waiting is run all the same: its source gave it.
      if (problem && how_ == run_report::ending::finished) {
        how_ = run_report::ending::failed;
        problem_ = std::move(problem);
      }
      return true;
    }
    free_.pop_back();
    some = true;
    admit(which);
  }
  return some;
}

void scheduler::admit(slot which) {
  item& its = items_[which];
  its = item{};
  its.state = item_state::waiting;
  its.ordinal = next_ordinal_++;
  ++counts_.pulled;
  ++held_;
  if (settings_.in_order) order_.push_back(which);
  if (settings_.has_keys) its.key = typed_.key(which);
  if (settings_.has_groups)
    its.in_group = groups_.named(typed_.group(which));
  else if (its.ordinal == 0)
    (void)groups_.named({});
  if (journal_ != nullptr) {
    if (is_known(which)) return;
    if (stopping_ != stopping::no) return give_up(which);
    const auto [first, is_new] = keys_.try_emplace(its.key, which);
    if (!is_new) {
      items_[first->second].twins.push_back(which);
      return;
    }
    its.is_first = true;
  }
  groups_.wait(its.in_group, which);
}

// Returns: the journal has the item's outcome, which it has now as well.
bool scheduler::is_known(slot which) {
  item& its = items_[which];
  bool known = false;
  const auto take = [&](const stored_item& stored) {
    if (stored.failed) {
      known = its.is_twin || (settings_.keep_failures && settings_.keep_failures(*stored.failed));
      if (!known) return;
      const bool had_value = settings_.tells_values && !stored.output.empty();
      its.has_value = had_value && typed_.adopt(which, stored.output).empty();
      known = its.is_twin || its.has_value == had_value;
      if (!known) return;
      failure what;
      what.code = *stored.failed;
      what.message = stored.message;
      what.task = settings_.task->name;
      what.attempt = stored.attempts;
      its.problem = error(std::move(what));
    } else {
      // A value that does not decode is one of another type with the same name: it is made again.
      its.has_value = settings_.tells_values && typed_.adopt(which, stored.output).empty();
      known = its.has_value || !settings_.tells_values;
    }
    its.attempts = known ? stored.attempts : 0;
    its.run_time = stored.run_time;
    its.peak_memory = stored.peak_memory;
  };
  const auto found = journal_->find(its.key, std::ref(take));  // by reference: it is too large to be kept in place
  if (!found) {
    stop(stopping::soon, run_report::ending::failed, found.error());
    return false;
  }
  if (!known) return false;
  its.resumed = true;
  ++counts_.resumed;
  move(which, item_event::known);
  make_ready(which);
  return true;
}

// ---- and are run ---------------------------------------------------------------------------------------------------

bool scheduler::start_items() {
  bool some = false;
  while (active_ < parallel_ && stopping_ == stopping::no && groups_.has_next() && pace_.may_start(active_)) {
    start(*groups_.next());
    some = true;
  }
  return some;
}

void scheduler::start(slot which) {
  item& its = items_[which];
  const time_point now = clock::now();
  if (its.attempts == 0 && settings_.item_timeout.count() > 0) its.deadline = now + settings_.item_timeout;
  if (now >= its.deadline) {
    groups_.left(its.in_group);
    its.problem = error(errc::timed_out, "its attempts and the pauses between took longer than item_timeout");
    move(which, item_event::fail);
    return record(which);
  }
  ++its.attempts;
  ++counts_.attempts;
  its.started = now;
  its.is_late = false;
  call_options options{.timeout = settings_.timeout, .grace = settings_.grace};
  if (settings_.timeout_percent > 0) options.grace = std::max<std::chrono::nanoseconds>(options.grace, shortest_grace);
  if (pace_.longest()) late_at_ = std::min(late_at_, now + *pace_.longest());
  if (its.deadline != time_point::max()) {
    const std::chrono::nanoseconds left = its.deadline - now;
    options.timeout = options.timeout.count() > 0 ? std::min(options.timeout, left) : left;
  }
  move(which, item_event::start);
  ++active_;
  its.place = static_cast<unsigned>(active_);
  if (!places_.empty()) {
    its.place = places_.top();
    places_.pop();
  }
  std::optional<error> problem;
  try {
    typed_.start(which, {its.key, its.ordinal, its.attempts, its.place, options.timeout.count()}, options, its.larger);
    return;
  } catch (const error& thrown) {
    problem = thrown;
  } catch (const std::exception& thrown) {
    problem = error(errc::invalid_options, std::string("its arguments cannot be sent: ") + thrown.what());
  }
  settle(which, std::move(problem), false);
}

bool scheduler::take_outcomes() {
  bool some = false;
  while (!has_left_) {
    auto next = typed_.pop();
    if (!next) break;
    some = true;
    settle(next->slot, std::move(next->problem), next->has_value);
  }
  return some;
}

void scheduler::settle(slot which, std::optional<error> problem, bool has_value) {
  item& its = items_[which];
  --active_;
  places_.push(its.place);
  its.has_value = has_value;
  groups_.left(its.in_group);
  its.run_time = clock::now() - its.started;
  adapt_parallel();
  if (!problem) {
    if (pace_.succeeded_in(its.run_time)) late_at_ = clock::time_point::min();  // others may be late by that
    move(which, item_event::succeed);
    return record(which);
  }
  if (is_end_of_pool(problem->code())) {
    give_up(which);
    return stop(stopping::now, run_report::ending::failed, std::move(problem));
  }
  if (stopping_ == stopping::now && problem->code() == errc::aborted) return give_up(which);
  if (its.is_late && problem->code() == errc::aborted)
    problem = late_failure(settings_.task->name, its.attempts, its.run_time, *pace_.longest());
  its.peak_memory = std::max(its.peak_memory, problem->details().usage.peak_resident_bytes);
  its.deaths += is_death(problem->code()) ? 1 : 0;
  if (settings_.on_failed_attempt) {
    settings_.on_failed_attempt({its.ordinal, its.attempts, its.place, has_value, *problem});
  }
  pause_or_fail(which, *problem);
}

void scheduler::pause_or_fail(slot which, const error& problem) {
  item& its = items_[which];
  const auto pause = pause_after(settings_.retry, its.attempts, random_);
  const time_point now = clock::now();
  const bool in_time = its.deadline == time_point::max() || its.deadline - now > pause;
  if (stopping_ != stopping::no || !in_time || !is_worth_a_retry(settings_.retry, its.attempts, problem)) {
    its.problem = final_failure(problem, its.attempts, its.deaths);
    move(which, item_event::fail);
    return record(which);
  }
  its.larger = its.larger || (settings_.retry.larger && problem.code() == errc::out_of_memory);
  ++counts_.retries;
  move(which, item_event::retry);
  pauses_.push({now + pause, which});
}

bool scheduler::end_pauses() {
  bool some = false;
  for (const time_point now = clock::now(); !pauses_.empty() && pauses_.top().due <= now; some = true) {
    const slot which = pauses_.top().of;
    pauses_.pop();
    move(which, item_event::pause_over);
    groups_.wait(items_[which].in_group, which);
  }
  return some;
}

// Looked at when the first could be late, and when others have shown how long an attempt takes.
void scheduler::end_late_attempts() {
  const time_point now = clock::now();
  if (now < late_at_ || stopping_ == stopping::now) return;
  late_at_ = time_point::max();
  for (slot which = 0; which < items_.size(); ++which) {
    item& its = items_[which];
    if (its.state != item_state::active || its.is_late) continue;
    const time_point due = its.started + *pace_.longest();
    its.is_late = due <= now;
    if (its.is_late) {
      typed_.abort(which);
    } else {
      late_at_ = std::min(late_at_, due);
    }
  }
}

// Few are given to the pool where they take long, so that few wait behind others; many where each takes less than the
// way to a worker and back.
void scheduler::adapt_parallel() {
  if (settings_.parallel != 0 || ++counted_ < outcomes_between_measurements) return;
  const time_point now = clock::now();
  const auto each = (now - counting_since_) * bounds_.workers / counted_;
  parallel_ = each < short_item ? bounds_.workers * most_for_each_worker : bounds_.parallel;
  counting_since_ = now;
  counted_ = 0;
}

}  // namespace selvage::run_detail

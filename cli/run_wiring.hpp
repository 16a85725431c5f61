#pragma once
// What a run of commands and a run of a native task have in common: the options of the run, what is told of an outcome,
// and how it is told how it ended. Called by: run_command.cpp, native_run.cpp, reporter.cpp.

#include <cstddef>
#include <string_view>

#include <selvage/run_options.hpp>
#include <selvage/store.hpp>

#include "event_log.hpp"
#include "input.hpp"
#include "interrupt.hpp"
#include "placeholder.hpp"
#include "run_command.hpp"
#include "run_plan.hpp"
#include "start_gate.hpp"
#include "summary.hpp"

namespace selvage::cli {

enum exit_status : int {
  all_done = 0,
  some_failed = 1,
  usage = 2,
  resume_refused = 3,
  store_failed = 4,
  halted = 5,
  cannot_be_run = 126,
  not_found = 127,
  by_signal = 128,
  gnu_most = 101,
  xargs_failed = 123,
};

/// `start_error`: errno of a command that cannot be started, or 0.
[[nodiscard]] int status_of(const run_report& report, const run_arguments& given, int signal, int start_error);

/// --plan: what would run, and why. `parts`: the fingerprint that it would have. Returns: the exit status. Throws
/// selvage::error as the run would.
int print_plan(const run_arguments& given, input_source& items, const text_template& key, const fingerprint& parts);

/// Reasons, summary and events, as far as they are wanted.
void tell_end(const run_arguments& given, const run_report& report, const failure_summary& failures, event_log& events);

/// `result`: of a job that has one.
template <class T, class R>
job_end end_of(const item_outcome<T, R>& outcome, std::string_view item, const job_result* result) {
  return {.number = outcome.ordinal + 1,
          .item = item,
          .key = outcome.key,
          .result = result,
          .problem = outcome.result ? nullptr : &outcome.result.error(),
          .failed = outcome.failed,
          .resumed = outcome.resumed,
          .attempts = outcome.attempts,
          .run_time = outcome.run_time};
}

/// By what an item is known and kept apart. Made before the first item is taken.
struct run_templates {
  text_template key;
  text_template group;
  run_templates(const run_arguments& given, column_names& columns)
      : key(given.key, columns), group(given.group, columns) {}
};

/// Without what depends on the task. What is given by reference or pointer must outlive the run; `kept`: null where
/// nothing is. `as_input` makes an input, or a reference to one, of a T.
template <class T, class R, class AsInput>
run_options<T, R> options_for(const run_arguments& given, const run_plan& plan, interrupts& signals,
                              const run_templates& by, start_gate& gate, const store* kept, AsInput as_input) {
  run_options<T, R> options;
  options.name = given.name;
  options.retry = plan.retry;
  options.timeout = plan.timeout;
  options.timeout_percent = plan.timeout_percent;
  if (!gate.is_open_always()) options.hold_back = [&gate](std::size_t active) { return gate.ask(active); };
  options.in_order = given.keep_order;
  options.store = kept;
  if (kept != nullptr) options.key = [&by, as_input](const T& item) { return by.key.expand({.item = as_input(item)}); };
  options.resume = given.resume || given.rerun_changed;
  options.fresh = given.fresh;
  options.on_mismatch = given.rerun_changed ? on_mismatch::rerun : on_mismatch::refuse;
  options.keep_failures = kept_failures(given.retry);
  if (!given.group.empty()) {
    options.group = [&by, as_input](const T& item) { return by.group.expand({.item = as_input(item)}); };
    options.group_limit = given.group_limit;
  }
  options.halt = plan.halt;
  options.stop = signals.soon();
  options.stop_now = signals.now();
  return options;
}

}  // namespace selvage::cli

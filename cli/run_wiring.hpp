#pragma once
// What a run of commands and a run of a native task have in common: the options of the run, and how it is told how it
// ended. Called by: run_command.cpp, native_run.cpp.

#include <string>

#include <selvage/run_options.hpp>

#include "input.hpp"
#include "interrupt.hpp"
#include "placeholder.hpp"
#include "run_command.hpp"
#include "run_plan.hpp"

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

/// --plan: what would run, and why.
int print_plan(const run_arguments& given, input_source& items, const text_template& key);

/// Without what depends on the task.
template <class T, class R>
run_options<T, R> options_for(const run_arguments& given, const run_plan& plan, interrupts& signals) {
  run_options<T, R> options;
  options.name = given.name;
  options.retry = plan.retry;
  options.timeout = plan.timeout;
  options.timeout_percent = plan.timeout_percent;
  options.in_order = given.keep_order;
  options.resume = given.resume || given.rerun_changed;
  options.fresh = given.fresh;
  options.on_mismatch = given.rerun_changed ? on_mismatch::rerun : on_mismatch::refuse;
  options.keep_failures = kept_failures(given.retry);
  options.halt = plan.halt;
  options.stop = signals.soon();
  options.stop_now = signals.now();
  return options;
}

}  // namespace selvage::cli

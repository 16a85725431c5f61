// See native_run.hpp.

#include "native_run.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>

#include <selvage/import.hpp>
#include <selvage/selvage.hpp>

#include "event_log.hpp"
#include "placeholder.hpp"
#include "printer.hpp"
#include "progress.hpp"
#include "run_wiring.hpp"
#include "start_gate.hpp"
#include "summary.hpp"

namespace selvage::cli {
namespace {

/// Lines on their way to standard output: written when there are many, and before the run waits for long.
class line_writer {
 public:
  explicit line_writer(bool tagged) : tagged_(tagged), at_once_(::isatty(STDOUT_FILENO) == 1) {}
  void add(std::string_view text, std::string_view tag) {
    if (tagged_) {
      line_tagger tagger(tag);
      lines_ += tagger.pass(text);
    } else {
      lines_ += text;
    }
    if (!text.ends_with('\n')) lines_ += '\n';
    if (at_once_ || lines_.size() >= full) flush();
  }
  void flush() {
    write_all(STDOUT_FILENO, lines_);
    lines_.clear();
  }

 private:
  static constexpr std::size_t full = 32'768;
  bool tagged_;
  bool at_once_;
  std::string lines_;
};

}  // namespace

int run_native(const run_arguments& given, run_plan& plan, input_source& items, interrupts& signals) {
  const auto task =
      import_task<std::string(std::string_view)>(plan.library, plan.task, {.permissions = plan.pool.permissions});
  const text_template key(given.key, items.columns());
  const text_template group(given.group, items.columns());
  if (given.plan) return print_plan(given, items, key);

  event_log events(given.events);
  if (events.is_open()) plan.pool.on_event = [&events](const event& what) { events.add(what); };
  plan.pool.permissions = permissions::unsafe();  // the task's own are what counts, and cannot be more than the pool's
  pool workers(plan.pool, task);
  signals.listen();
  std::optional<store> kept;
  if (!given.store.empty()) kept.emplace(given.store);

  start_gate gate(plan.gate, given.quiet);
  progress_line progress(given.quiet);
  failure_summary failures;
  line_writer out(given.tag);
  auto options = options_for<std::string, std::string>(given, plan, signals);
  options.fingerprint = {{"library", std::filesystem::absolute(plan.library).lexically_normal().string()}};
  if (!gate.is_open_always()) options.hold_back = [&gate](std::size_t active) { return gate.ask(active); };
  options.on_progress = [&](const run_progress& now) {
    out.flush();
    progress.show(now);
  };
  const auto expanded = [&items](const text_template& wanted, const std::string& item) {
    return wanted.expand({.item = items.parsed(item, 1)});
  };
  if (kept) {
    options.store = &*kept;
    options.key = [&](const std::string& item) { return expanded(key, item); };
  }
  if (!given.group.empty()) {
    options.group = [&](const std::string& item) { return expanded(group, item); };
    options.group_limit = given.group_limit;
  }
  options.emit = [&](item_outcome<std::string, std::string>&& outcome) {
    const error* const problem = outcome.result ? nullptr : &outcome.result.error();
    if (problem == nullptr) {
      out.add(*outcome.result, *outcome.item);
    } else {
      failures.add(*problem, *outcome.item);
    }
    if (!events.is_open()) return;
    events.add({.number = outcome.ordinal + 1,
                .item = *outcome.item,
                .key = outcome.key,
                .result = nullptr,
                .problem = problem,
                .failed = outcome.failed,
                .resumed = outcome.resumed,
                .attempts = outcome.attempts,
                .run_time = outcome.run_time});
  };
  events.begin(given.name, {given.task});
  const auto report = run(
      workers, task,
      [&items](const std::stop_token& stop) -> std::optional<std::string> {
        auto item = items.next(stop);
        if (!item) return std::nullopt;
        return std::move(item->text);
      },
      options);
  progress.clear();
  out.flush();
  if (report.problem) fmt::print(stderr, "selvage: {}\n", report.problem->what());
  if (!given.quiet) {
    failures.print();
    print_summary(report);
  }
  if (given.json) print_json(report);
  events.end(report);
  return status_of(report, given, signals.signal(), 0);
}

}  // namespace selvage::cli

// See native_run.hpp.

#include "native_run.hpp"

#include <unistd.h>

#include <filesystem>
#include <optional>
#include <string>

#include <selvage/import.hpp>
#include <selvage/selvage.hpp>

#include "event_log.hpp"
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
  const run_templates by(given, items.columns());
  const fingerprint parts{{"library", std::filesystem::absolute(plan.library).lexically_normal().string()},
                          {"items", plan.items.kind()}};
  if (given.plan) return print_plan(given, items, by.key, fingerprint_of(task, {}, parts));
  signals.block();

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
  auto options =
      options_for<std::string, std::string>(given, plan, signals, by, gate, kept ? &*kept : nullptr,
                                            [&items](const std::string& item) { return items.item_of(item, 1); });
  options.fingerprint = parts;
  options.on_progress = [&](const run_progress& now) {
    out.flush();
    progress.show(now);
  };
  options.emit = [&](item_outcome<std::string, std::string>&& outcome) {
    if (outcome.result) {
      out.add(*outcome.result, *outcome.item);
    } else {
      failures.add(outcome.result.error(), *outcome.item);
    }
    events.add(end_of(outcome, *outcome.item, nullptr));
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
  tell_end(given, report, failures, events);
  return status_of(report, given, signals.signal(), 0);
}

}  // namespace selvage::cli

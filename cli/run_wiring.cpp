// See run_wiring.hpp.

#include "run_wiring.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <utility>

#include "printer.hpp"

namespace selvage::cli {
namespace {

/// The run as it is kept; nothing where there is none.
std::optional<stored_run> kept_run(const run_arguments& given) {
  if (!std::filesystem::exists(given.store)) return std::nullopt;
  auto runs = store(given.store).runs();
  if (!runs) throw error(runs.error());
  const auto named = std::ranges::find(*runs, given.name, &stored_run::name);
  if (named == runs->end()) return std::nullopt;
  if (!named->problem.empty()) throw error(errc::store_error, named->problem);
  return std::move(*named);
}

}  // namespace

int print_plan(const run_arguments& given, input_source& items, const text_template& key, const fingerprint& parts) {
  const auto run = given.fresh ? std::nullopt : kept_run(given);
  const auto changed = run ? first_difference(run->fingerprint, parts) : std::nullopt;
  if (changed && !given.rerun_changed)
    throw error(errc::fingerprint_mismatch,
                fmt::format("{}: the run '{}' was made differently: {}", given.store, given.name, *changed));
  const auto stays = kept_failures(given.retry);
  const store kept(given.store);
  std::uint64_t number = 0;
  while (const auto item = items.next({})) {
    const std::string its = key.expand({.item = *item, .number = ++number});
    std::string what = "run   ";
    std::string why;
    if (run && !changed) {
      const auto found = kept.find(given.name, its, [&](const stored_item& stored) {
        what = !stored.failed || (stays && stays(*stored.failed)) ? "done  " : "again ";
        if (stored.failed) why = fmt::format("  ({}: {})", to_string(*stored.failed), stored.message);
      });
      if (!found) throw error(found.error());
    }
    write_all(STDOUT_FILENO, what + its + why + "\n");
  }
  return all_done;
}

int status_of(const run_report& report, const run_arguments& given, int signal, int start_error) {
  using ending = run_report::ending;
  if (report.problem) {
    return report.problem->code() == errc::store_error || report.problem->code() == errc::store_busy ? store_failed
                                                                                                     : some_failed;
  }
  if (start_error != 0) return start_error == ENOENT ? not_found : cannot_be_run;
  if (signal != 0) return by_signal + signal;
  if (report.how == ending::halted) return halted;
  if (report.failed == 0) return all_done;
  if (given.exit_status == "gnu") return static_cast<int>(std::min<std::uint64_t>(report.failed, gnu_most));
  if (given.exit_status == "xargs") return xargs_failed;
  return some_failed;
}

void tell_end(const run_arguments& given, const run_report& report, const failure_summary& failures,
              event_log& events) {
  if (report.problem) fmt::print(stderr, "selvage: {}\n", report.problem->what());
  if (!given.quiet) {
    failures.print();
    print_summary(report);
  }
  if (given.json) print_json(report);
  events.end(report);
}

}  // namespace selvage::cli

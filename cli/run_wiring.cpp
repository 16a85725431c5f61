// See run_wiring.hpp.

#include "run_wiring.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include <selvage/store.hpp>

#include "printer.hpp"

namespace selvage::cli {

int print_plan(const run_arguments& given, input_source& items, const text_template& key) {
  const store kept(given.store);
  std::uint64_t number = 0;
  while (const auto item = items.next({})) {
    const std::string its = key.expand({.item = *item, .number = ++number});
    std::string what = "run   ";
    std::string why;
    const auto found = kept.find(given.name, its, [&](const stored_item& stored) {
      what = stored.failed ? "again " : "done  ";
      if (stored.failed) why = fmt::format("  ({}: {})", to_string(*stored.failed), stored.message);
    });
    if (!found && found.error().code() == errc::store_busy) throw error(found.error());
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

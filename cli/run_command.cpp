// See run_command.hpp.

#include "run_command.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <selvage/selvage.hpp>

#include "input.hpp"
#include "interrupt.hpp"
#include "job.hpp"
#include "native_run.hpp"
#include "output_shelf.hpp"
#include "placeholder.hpp"
#include "printer.hpp"
#include "reporter.hpp"
#include "run_plan.hpp"
#include "run_wiring.hpp"
#include "start_gate.hpp"
#include "summary.hpp"

namespace selvage::cli {
namespace {

/// Of a command without a placeholder: {word} is a column whose name was written wrong.
void refuse_unknown_columns(const std::vector<std::string>& command, const column_names& columns) {
  for (const auto& argument : command) {
    const std::size_t open = argument.find('{');
    const std::size_t close = argument.find('}', open);
    if (close == argument.npos || close == open + 1) continue;
    const std::string name = argument.substr(open + 1, close - open - 1);
    if (name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != name.npos)
      continue;
    throw usage_error(
        fmt::format("--csv: {{{}}} is none of the columns {{{}}}", name, fmt::join(columns.names, "}, {")));
  }
}

job_plan jobs_for(const run_arguments& given, const std::vector<std::string>& command, column_names& columns) {
  job_plan plan;
  plan.for_shell = given.shell;
  plan.tagged = given.tag;
  bool has_placeholder = false;
  for (const auto& argument : command) {
    plan.arguments.emplace_back(argument, columns);
    has_placeholder = has_placeholder || plan.arguments.back().has_placeholder();
  }
  if (has_placeholder) return plan;
  if (given.csv) refuse_unknown_columns(command, columns);
  plan.arguments.emplace_back("{}", columns);
  return plan;
}

/// As words of a shell, so that no two commands are one line.
std::string line_of(const std::vector<std::string>& command) {
  std::string line;
  for (const auto& word : command) line += (line.empty() ? "" : " ") + shell_quoted(word);
  return line;
}

int print_commands(input_source& items, const job_plan& jobs) {
  std::uint64_t number = 0;
  while (const auto item = items.next({})) {
    std::string line;
    const expansion with{.item = *item, .number = ++number};
    if (jobs.for_shell) {
      line = jobs.command_for(with).back();
    } else {
      line = line_of(jobs.command_for(with));
    }
    write_all(STDOUT_FILENO, line + "\n");
  }
  return all_done;
}

/// Where the output of jobs goes, and what they inherit for that.
class job_streams {
 public:
  job_streams(const run_arguments& given, unsigned jobs)
      : files_(given.ungroup || given.line_buffer ? 0 : jobs, given.store) {
    if (given.line_buffer) line_lock_ = make_unnamed_file();
  }
  void connect(job_plan& jobs, pool_options& pool) const {
    if (files_.are_there()) jobs.files = &files_;
    pool.inherit = files_.all();
    if (!line_lock_) return;
    jobs.line_lock = line_lock_.get();
    pool.inherit.push_back(line_lock_.get());
  }
  [[nodiscard]] const job_files& files() const noexcept { return files_; }

 private:
  job_files files_;
  owned_fd line_lock_;
};

int run_items_of(const run_arguments& given, run_plan& plan, input_source& items, interrupts& signals) {
  job_plan jobs = jobs_for(given, plan.command, items.columns());
  const run_templates by(given, items.columns());
  const fingerprint parts{
      {"command", line_of(plan.command)}, {"shell", given.shell ? "yes" : "no"}, {"items", plan.items.kind()}};
  const auto job =
      task("command", [&jobs](const item_context& context, const input& item) { return run_job(jobs, context, item); });
  if (given.plan) return print_plan(given, items, by.key, fingerprint_of(job, {}, parts));
  if (given.dry_run) return print_commands(items, jobs);

  signals.block();
  std::optional<store> kept;
  std::filesystem::path kept_files;
  if (!given.store.empty()) {
    kept.emplace(given.store);
    kept_files = kept->files_of(given.name);
    std::error_code refused;  // then opening the run says why
    std::filesystem::create_directories(kept->directory(), refused);
  }
  const job_streams streams(given, plan.jobs);
  streams.connect(jobs, plan.pool);
  event_log events(given.events);
  output_shelf shelf(streams.files(), kept_files);
  reporter tell(given, jobs, shelf, events);
  if (events.is_open()) plan.pool.on_event = [&events](const event& what) { events.add(what); };
  pool workers(plan.pool, job);
  signals.listen();

  start_gate gate(plan.gate, given.quiet);
  auto options = options_for<input, job_result>(given, plan, signals, by, gate, kept ? &*kept : nullptr,
                                                [](const input& item) -> const input& { return item; });
  options.parallel = plan.jobs;
  options.judge = failure_of;
  options.fingerprint = parts;
  options.before_kept = [&shelf](job_result& job) { shelf.keep(job); };
  options.still_holds = [&shelf](const job_result& job) { return shelf.holds(job); };
  options.on_failed_attempt = [&tell](const failed_attempt& attempt) { tell.attempt_failed(attempt); };
  if (!given.quiet) options.on_progress = [&tell](const run_progress& now) { tell.show(now); };
  options.emit = [&](item_outcome<input, job_result>&& outcome) {
    tell.job_ended(outcome);
    if (tell.start_error() != 0) signals.stop_soon();  // none of the others could be started
  };
  events.begin(given.name, plan.command);
  const auto report = run(
      workers, job, [&items](const std::stop_token& stop) { return items.next(stop); }, options);
  tell.run_ended(report);
  return status_of(report, given, signals.signal(), tell.start_error());
}

int status_of_refusal(const error& problem) {
  switch (problem.code()) {
    case errc::fingerprint_mismatch:
      return resume_refused;
    case errc::store_error:
    case errc::store_busy:
      return store_failed;
    case errc::unknown_task:
      return not_found;
    case errc::invalid_options:
      return std::string_view(problem.details().message).starts_with("resume:") ? resume_refused : usage;
    default:
      return some_failed;
  }
}

}  // namespace

int run_command(const run_arguments& given) try {
  interrupts signals;
  run_plan plan = plan_of(given);
  (void)kept_failures(given.retry);
  input_source items(plan.items);
  if (!given.task.empty()) return run_native(given, plan, items, signals);
  return run_items_of(given, plan, items, signals);
} catch (const usage_error& problem) {
  fmt::print(stderr, "selvage run: {}\n`selvage run --help` says more.\n", problem.what());
  return usage;
} catch (const error& problem) {
  fmt::print(stderr, "selvage run: {}\n", problem.what());
  if (problem.code() == errc::fingerprint_mismatch)
    fmt::print(stderr, "--rerun-changed runs all of it again, --fresh forgets what is kept.\n");
  return status_of_refusal(problem);
} catch (const output_closed&) {
  return by_signal + SIGPIPE;
} catch (const std::exception& problem) {
  fmt::print(stderr, "selvage run: {}\n", problem.what());
  return some_failed;
}

}  // namespace selvage::cli

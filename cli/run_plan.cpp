// See run_plan.hpp.

#include "run_plan.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <optional>

#include <selvage/permissions.hpp>

#include "quantity.hpp"

namespace selvage::cli {
namespace {

halt_options halt_of(const std::string& text) {
  halt_options halt;
  if (text == "never") return halt;
  const auto refuse = [&]() -> halt_options {
    throw usage_error("--halt: '" + text + "' is not never, or soon|now,fail|success|done=N or N%");
  };
  const std::size_t comma = text.find(',');
  const std::size_t equals = text.find('=');
  if (comma == text.npos || equals == text.npos || equals < comma) return refuse();
  const std::string when = text.substr(0, comma);
  const std::string what = text.substr(comma + 1, equals - comma - 1);
  std::string number = text.substr(equals + 1);
  if (when != "soon" && when != "now") return refuse();
  halt.how = when == "soon" ? halt_options::when::soon : halt_options::when::now;
  if (what == "fail") {
    halt.what = halt_options::of::failures;
  } else if (what == "success") {
    halt.what = halt_options::of::successes;
  } else if (what == "done") {
    halt.what = halt_options::of::outcomes;
  } else {
    return refuse();
  }
  const bool part = number.ends_with('%');
  if (part) number.pop_back();
  if (number.empty() || number.find_first_not_of("0123456789") != number.npos || number.size() > 9) return refuse();
  if (part) {
    halt.percent = std::stod(number);
  } else {
    halt.count = std::stoull(number);
  }
  if (halt.count == 0 && halt.percent == 0) return refuse();
  return halt;
}

permissions permissions_of(const run_arguments& given) {
  if (!given.sandbox && given.task.empty()) {
    const bool allows = !given.allow_read.empty() || !given.allow_write.empty() || !given.allow_run.empty() ||
                        !given.allow_env.empty() || !given.allow_net.empty();
    if (allows) throw usage_error("--allow-...: without --sandbox everything is allowed");
    return permissions::unsafe();
  }
  if (given.task.empty() && given.allow_run.empty())
    throw usage_error("--sandbox: no program may be run; --allow-run names that of the command");
  permissions allowed = permissions::strict();
  for (const auto& path : given.allow_read) allowed = allowed.read(path);
  for (const auto& path : given.allow_write) allowed = allowed.write(path);
  for (const auto& path : given.allow_run) allowed = allowed.run(path);
  for (const auto& name : given.allow_env) allowed = allowed.env(name);
  for (const unsigned port : given.allow_net) {
    if (port == 0 || port > 65'535) throw usage_error(fmt::format("--allow-net: {} is no port", port));
    allowed = allowed.net(tcp_connect{static_cast<std::uint16_t>(port)});
  }
  if (given.ungroup || given.line_buffer) allowed = allowed.console(true);
  return allowed;
}

template <class Value>
auto parsed(const char* option, const std::string& text, Value (*parse)(const std::string&)) {
  try {
    return text.empty() ? Value{} : parse(text);
  } catch (const std::invalid_argument& problem) {
    throw usage_error(fmt::format("{}: {}", option, problem.what()));
  }
}

/// "300%": nothing where it is no percentage.
std::optional<double> percentage(const std::string& text) {
  if (!text.ends_with('%')) return std::nullopt;
  const std::string digits = text.substr(0, text.size() - 1);
  constexpr std::size_t longest = 6;
  if (digits.empty() || digits.size() > longest || digits.find_first_not_of("0123456789.") != digits.npos ||
      std::ranges::count(digits, '.') > 1 || digits == ".")
    return std::nullopt;
  return std::stod(digits);
}

void set_timeout(run_plan& plan, const std::string& text) {
  if (const auto percent = percentage(text)) {
    constexpr double least = 100;
    if (*percent < least) throw usage_error("--timeout: less than 100% of the median would end most jobs");
    plan.timeout_percent = *percent;
    return;
  }
  plan.timeout = parsed("--timeout", text, duration_of);
}

void set_gate(run_plan& plan, const run_arguments& given) {
  plan.gate.delay = parsed("--delay", given.delay, duration_of);
  plan.gate.free_bytes = parsed("--memfree", given.free_memory, size_of).count;
  if (given.load.empty()) return;
  const auto cores = static_cast<double>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
  const auto percent = percentage(given.load);
  const auto number = percent ? percent : percentage(given.load + '%');
  if (!number || *number <= 0) throw usage_error("--load: '" + given.load + "' is not a number, or a part such as 80%");
  plan.gate.load = percent ? *percent / 100 * cores : *number;
}

// What is told of a command's process there is none of.
void set_task(run_plan& plan, const run_arguments& given) {
  const std::size_t colon = given.task.rfind(':');
  if (colon == given.task.npos || colon == 0 || colon + 1 == given.task.size())
    throw usage_error("--task: '" + given.task + "' is not LIBRARY:NAME");
  plan.library = given.task.substr(0, colon);
  plan.task = given.task.substr(colon + 1);
  plan.items.whole = true;
  if (!plan.command.empty()) throw usage_error("--task: there is a command too: " + plan.command[0]);
  if (given.shell || given.dry_run || given.line_buffer || given.ungroup || !given.results.empty() ||
      !given.joblog.empty())
    throw usage_error("--task: --shell, --dry-run, --line-buffer, --ungroup, --results and --joblog are for commands");
}

void check_output(const run_arguments& given) {
  if (given.group_output + given.line_buffer + given.ungroup > 1)
    throw usage_error("--group-output, --line-buffer, --ungroup: at most one of them");
  if (given.line_buffer && given.keep_order)
    throw usage_error("--line-buffer: with --keep-order a line would have to wait for all jobs before its own");
  if (!given.results.empty() && (given.line_buffer || given.ungroup))
    throw usage_error("--results: only output that is grouped is kept");
}

}  // namespace

run_plan plan_of(const run_arguments& given) {
  run_plan plan;
  const auto items = std::ranges::find(given.command, ":::");
  plan.command.assign(given.command.begin(), items);
  if (!plan.command.empty() && plan.command[0].starts_with('-')) {
    throw usage_error(plan.command[0] + ": there is no such option");
  }
  if (items != given.command.end()) {
    plan.items.from_arguments = true;
    plan.items.arguments.assign(items + 1, given.command.end());
    if (!given.file.empty()) throw usage_error(":::: items come from there or from --arg-file, not from both");
    if (given.csv) throw usage_error("--csv: items behind ::: have no first record that names columns");
  }
  if (!given.task.empty()) set_task(plan, given);
  if (plan.command.empty() && given.task.empty()) throw usage_error("command: there is none; it goes behind --");
  plan.items.file = given.file;
  plan.items.zero_terminated = given.zero;
  plan.items.column_separator = given.column_separator;
  plan.items.csv = given.csv;
  plan.items.jsonl = given.jsonl;
  plan.items.shuffled = given.shuffle;
  if (given.jsonl && (given.csv || given.zero || !given.column_separator.empty()))
    throw usage_error("--jsonl: it goes with none of --csv, --colsep and --null");
  if (given.csv && !given.column_separator.empty()) throw usage_error("--csv: it has commas; --colsep is for others");
  try {
    plan.jobs = jobs_of(given.jobs, static_cast<unsigned>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN))));
  } catch (const std::invalid_argument& problem) {
    throw usage_error(fmt::format("--jobs: {}", problem.what()));
  }
  set_timeout(plan, given.timeout);
  set_gate(plan, given);
  plan.pool.workers = plan.jobs;
  plan.pool.name = "selvage-run";
  plan.pool.memory = parsed("--mem", given.memory, size_of);
  plan.pool.cpu = parsed("--cpu", given.cpu, duration_of);
  plan.pool.files = given.files;
  plan.pool.permissions = permissions_of(given);
  plan.pool.capture_stderr = !given.ungroup && !given.line_buffer;
  check_output(given);
  plan.retry.attempts = given.retries + 1;
  plan.retry.backoff = parsed("--backoff", given.backoff, duration_of);
  plan.halt = halt_of(given.halt);
  if (given.group_limit != 0 && given.group.empty()) throw usage_error("--group-limit: there is no --group");
  if (given.store.empty() != given.name.empty()) throw usage_error("--store: it goes with --name, and --name with it");
  const bool needs_store = given.resume || given.fresh || given.rerun_changed || given.plan || !given.retry.empty();
  if (needs_store && given.store.empty()) {
    throw usage_error("--resume, --fresh, --rerun-changed, --retry and --plan need a --store");
  }
  if (given.resume && given.fresh) throw usage_error("--fresh: a run is resumed or begun afresh, not both");
  for (const char* const known : {"selvage", "gnu", "xargs"}) {
    if (given.exit_status == known) return plan;
  }
  throw usage_error("--exit-status: '" + given.exit_status + "' is not selvage, gnu or xargs");
}

/// Which stored failures are outcomes that stay.
std::function<bool(errc)> kept_failures(const std::vector<std::string>& retry) {
  std::map<std::string, errc> names{{"failed", errc::task_failed},
                                    {"timeout", errc::timed_out},
                                    {"crashed", errc::crashed},
                                    {"memory", errc::out_of_memory},
                                    {"cpu", errc::cpu_limit}};
  std::vector<errc> again;
  for (const std::string& each : retry) {
    if (each == "all") return {};
    if (each == "none") continue;
    const auto named = names.find(each);
    if (named == names.end()) {
      throw usage_error("--retry: '" + each + "' is none of all, none, failed, timeout, crashed, memory and cpu");
    }
    again.push_back(named->second);
  }
  if (retry.empty()) return {};
  return [again](errc why) { return std::ranges::find(again, why) == again.end(); };
}

}  // namespace selvage::cli

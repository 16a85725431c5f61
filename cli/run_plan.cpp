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
  if (!given.sandbox) {
    const bool allows = !given.allow_read.empty() || !given.allow_write.empty() || !given.allow_run.empty() ||
                        !given.allow_env.empty() || !given.allow_net.empty();
    if (allows) throw usage_error("--allow-...: without --sandbox everything is allowed");
    return permissions::unsafe();
  }
  permissions allowed = permissions::strict();
  for (const auto& path : given.allow_read) allowed = allowed.read(path);
  for (const auto& path : given.allow_write) allowed = allowed.write(path);
  for (const auto& path : given.allow_run) allowed = allowed.run(path);
  for (const auto& name : given.allow_env) allowed = allowed.env(name);
  for (const unsigned port : given.allow_net) {
    if (port == 0 || port > 65'535) throw usage_error(fmt::format("--allow-net: {} is no port", port));
    allowed = allowed.net(tcp_connect{static_cast<std::uint16_t>(port)});
  }
  if (given.ungroup) allowed = allowed.console(true);
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
  if (plan.command.empty()) throw usage_error("command: there is none; it goes behind --");
  plan.items.file = given.file;
  plan.items.zero_terminated = given.zero;
  plan.items.column_separator = given.column_separator;
  plan.items.csv = given.csv;
  if (given.csv && !given.column_separator.empty()) throw usage_error("--csv: it has commas; --colsep is for others");
  try {
    plan.jobs = jobs_of(given.jobs, static_cast<unsigned>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN))));
  } catch (const std::invalid_argument& problem) {
    throw usage_error(fmt::format("--jobs: {}", problem.what()));
  }
  plan.timeout = parsed("--timeout", given.timeout, duration_of);
  plan.pool.workers = plan.jobs;
  plan.pool.name = "selvage-run";
  plan.pool.memory = parsed("--mem", given.memory, size_of);
  plan.pool.cpu = parsed("--cpu", given.cpu, duration_of);
  plan.pool.files = given.files;
  plan.pool.permissions = permissions_of(given);
  plan.pool.capture_stderr = !given.ungroup;
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

// See settings.hpp.

#include "run/settings.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace selvage::run_detail {
namespace {

[[noreturn]] void refuse(const std::string& what) { throw error(errc::invalid_options, what); }

void require_not_negative(std::chrono::nanoseconds value, const char* field) {
  if (value.count() < 0) refuse(std::string(field) + ": it must not be negative");
}

void validate_retry(const retry_options& retry) {
  if (retry.attempts == 0 || retry.attempts > 1000) refuse("retry.attempts: it must be 1 to 1,000");
  require_not_negative(retry.backoff, "retry.backoff");
  require_not_negative(retry.backoff_limit, "retry.backoff_limit");
  if (!(retry.jitter >= 0 && retry.jitter <= 1)) refuse("retry.jitter: it must be 0 to 1");
}

void validate_halt(const halt_options& halt) {
  if (halt.how == halt_options::when::never) {
    if (halt.count != 0 || halt.percent != 0) refuse("halt.how: it is never, but there is a number to halt at");
    return;
  }
  if (!(halt.percent >= 0 && halt.percent <= 100)) refuse("halt.percent: it must be over 0, and at most 100");
  if (halt.count == 0 && halt.percent == 0) refuse("halt.count: neither it nor halt.percent says when to halt");
}

void validate_store(const detail::run_settings& settings) {
  if (settings.store == nullptr) {
    if (settings.resume) refuse("resume: there is no store to resume from");
    if (settings.fresh) refuse("fresh: there is no store to begin afresh");
    return;
  }
  if (settings.resume && settings.fresh) refuse("fresh: a run is either resumed or begun afresh");
  if (!settings.has_keys)
    refuse("key: with a store each item needs one, and items of this type are not their own keys");
}

unsigned workers_for(const detail::task_record& task, const pool_stats& stats) {
  const auto its = std::ranges::find(stats.tasks, task.name, &task_stats::name);
  if (its == stats.tasks.end()) refuse("task: the pool was built without the task '" + task.name + "'");
  return static_cast<unsigned>(std::ranges::count(stats.lanes, its->task_class, &lane_stats::task_class));
}

}  // namespace

void validate(const detail::run_settings& settings) {
  validate_retry(settings.retry);
  require_not_negative(settings.timeout, "timeout");
  require_not_negative(settings.item_timeout, "item_timeout");
  require_not_negative(settings.grace, "grace");
  if (!(settings.timeout_percent >= 0 && settings.timeout_percent <= 1e6))
    refuse("timeout_percent: it must be 0 to 1,000,000");
  validate_halt(settings.halt);
  validate_store(settings);
  if (settings.progress_interval.count() <= 0) refuse("progress_interval: it must be over 0");
  if (settings.parallel > 65'536) refuse("parallel: it must be at most 65,536");
  if (settings.source_buffer != 0 && settings.source_buffer < settings.parallel) {
    refuse("source_buffer: it must have room for the items that run in parallel");
  }
  if (!settings.has_groups && (settings.group_limit.number != 0 || settings.group_limit.of)) {
    refuse("group_limit: there is no group that it could limit");
  }
  if (settings.retry.larger && settings.retry.larger->record()->signature_hash != settings.task->signature_hash) {
    refuse("retry.larger: task '" + settings.retry.larger->record()->name + "' is " +
           settings.retry.larger->record()->signature + ", and task '" + settings.task->name + "' is " +
           settings.task->signature);
  }
}

std::optional<journal> open_journal(const detail::run_settings& settings, const std::function<void()>& on_news) {
  if (settings.store == nullptr) return std::nullopt;
  auto opened = settings.store->open(
      {.name = settings.name,
       .fingerprint = detail::fingerprint_of(*settings.task, settings.version, settings.fingerprint),
       .on_mismatch = settings.on_mismatch,
       .fresh = settings.fresh,
       .on_durable = [on_news](std::uint64_t) { on_news(); },
       .on_failure = [on_news](const error&) { on_news(); }});
  if (!opened) throw error(opened.error());
  if (opened->found() != 0 && !settings.resume) {
    refuse("resume: the run '" + settings.name + "' has " + std::to_string(opened->found()) +
           " records in the store: resume it, or begin afresh and forget them");
  }
  return *std::move(opened);
}

sizes sizes_of(const detail::run_settings& settings, const pool& pool) {
  constexpr std::size_t least_buffer = 64;
  constexpr std::size_t for_each_active = 4;
  sizes found{};
  found.workers = std::max(1U, workers_for(*settings.task, pool.stats()));
  found.parallel = settings.parallel != 0 ? settings.parallel : 2 * found.workers;
  found.buffer =
      settings.source_buffer != 0
          ? settings.source_buffer
          : std::max(least_buffer, for_each_active * (settings.parallel != 0 ? settings.parallel
                                                                             : most_for_each_worker * found.workers));
  found.window = settings.window != 0 ? std::max(settings.window, found.buffer) : for_each_active * found.buffer;
  return found;
}

}  // namespace selvage::run_detail

namespace selvage::detail {

fingerprint fingerprint_of(const task_record& task, std::string_view version, const fingerprint& more) {
  fingerprint parts{{"task", task.name}, {"signature", task.signature}};
  if (!version.empty()) parts.emplace_back("version", version);
  parts.insert(parts.end(), more.begin(), more.end());
  return parts;
}

}  // namespace selvage::detail

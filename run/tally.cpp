// See tally.hpp.

#include "run/tally.hpp"

#include <algorithm>
#include <utility>

namespace selvage::run_detail {
namespace {

constexpr std::size_t most_slow_items = 10;

bool is_slower(const run_report::slow_item& a, const run_report::slow_item& b) { return a.run_time > b.run_time; }

std::uint64_t replaced(const restart_stats& of) {
  return of.crashed + of.exited + of.timed_out + of.aborted + of.cpu_limit + of.recycled_calls + of.recycled_resident +
         of.recycled_age + of.recycled_memory + of.failed_starts;
}

}  // namespace

tally::tally(const pool& of) {
  const pool_stats now = of.stats();
  restarts_before_ = replaced(now.restarts);
  cpu_before_ = now.processor_time;
}

void tally::ran(std::string_view key, std::uint64_t ordinal, std::chrono::nanoseconds time) {
  if (slowest_.size() == most_slow_items) {
    if (time <= slowest_.front().run_time) return;
    std::ranges::pop_heap(slowest_, is_slower);
    slowest_.pop_back();
  }
  slowest_.push_back({key.empty() ? std::to_string(ordinal) : std::string(key), ordinal, time});
  std::ranges::push_heap(slowest_, is_slower);
}

run_progress tally::progress(std::size_t active, bool source_ended) const {
  return {pulled, succeeded, failed_, resumed, retries, active, source_ended, clock::now() - begun_};
}

run_report tally::report(const pool& of, run_report::ending how, std::optional<error> problem) {
  const pool_stats now = of.stats();
  run_report report;
  report.how = how;
  report.problem = std::move(problem);
  report.items = pulled;
  report.succeeded = succeeded;
  report.failed = failed_;
  report.resumed = resumed;
  report.not_run = not_run;
  report.attempts = attempts;
  report.retries = retries;
  report.failures.assign(reasons_.begin(), reasons_.end());
  std::ranges::stable_sort(report.failures, [](const auto& a, const auto& b) { return a.second > b.second; });
  report.slowest = std::move(slowest_);
  std::ranges::sort(report.slowest, is_slower);
  report.restarts = replaced(now.restarts) - restarts_before_;
  report.wall = clock::now() - begun_;
  report.cpu = now.processor_time - cpu_before_;
  return report;
}

}  // namespace selvage::run_detail

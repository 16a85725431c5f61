// See summary.hpp.

#include "summary.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <system_error>

#include "progress.hpp"

namespace selvage::cli {
namespace {

std::string signal_name(int signal) {
  const char* const name = ::sigabbrev_np(signal);
  return name != nullptr ? fmt::format("SIG{}", name) : fmt::format("signal {}", signal);
}

}  // namespace

std::optional<std::string> failure_of(const job_result& job) {
  if (job.start_error == EINVAL) return "could not be started (an argument has a zero byte)";
  if (job.start_error != 0)
    return fmt::format("could not be started ({})", std::generic_category().message(job.start_error));
  if (job.is_incomplete)
    return "wrote more than there is room for (output waits in the store, or in TMPDIR, until it is printed)";
  if (job.signal != 0) return fmt::format("ended by {}", signal_name(job.signal));
  if (job.exit_status != 0) return fmt::format("exited with {}", job.exit_status);
  return std::nullopt;
}

void failure_summary::add(const error& why, const std::string& item, const std::string& words) {
  auto& reason = reasons_[std::string(to_string(why.code()))];
  if (reason.first++ != 0) return;
  reason.second = item + ": " + why.details().message;
  if (!words.empty()) reason.second += ": " + words;
}

void failure_summary::add(const job_result& job, const std::string& item, const std::string& words) {
  auto& reason = reasons_[failure_of(job).value_or("failed")];
  if (reason.first++ != 0) return;
  reason.second = item;
  if (!words.empty()) reason.second += ": " + words;
}

void failure_summary::print() const {
  for (const auto& [reason, what] : reasons_) {
    fmt::print(stderr, "selvage: {} {}, the first: {}\n", what.first, reason, what.second);
  }
}

void print_json(const run_report& report) {
  fmt::print(stderr,
             R"({{"items":{},"succeeded":{},"failed":{},"resumed":{},"not_run":{},"attempts":{},)"
             R"("wall_s":{:.3f},"cpu_s":{:.3f}}})"
             "\n",
             report.items, report.succeeded, report.failed, report.resumed, report.not_run, report.attempts,
             static_cast<double>(report.wall.count()) / 1e9, static_cast<double>(report.cpu.count()) / 1e9);
}

void print_summary(const run_report& report) {
  std::string line = fmt::format("{} done", report.succeeded);
  if (report.failed != 0) line += fmt::format(", {} failed", report.failed);
  if (report.resumed != 0) line += fmt::format(", {} of these before", report.resumed);
  if (report.not_run != 0) line += fmt::format(", {} not run", report.not_run);
  fmt::print(stderr, "selvage: {}, in {}\n", line, readable(report.wall));
}

}  // namespace selvage::cli

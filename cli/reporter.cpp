// See reporter.hpp.

#include "reporter.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <system_error>

#include "run_wiring.hpp"

namespace selvage::cli {
namespace {

std::string message_of(int error) { return std::generic_category().message(error); }

/// Not of what an item has made of it: too long, or with a zero byte.
bool is_of_the_command(int start_error) {
  switch (start_error) {
    case ENOENT:
    case ENOTDIR:
    case EACCES:
    case EPERM:
    case ENOEXEC:
    case ELOOP:
      return true;
    default:
      return false;
  }
}

}  // namespace

reporter::reporter(const run_arguments& given, const job_plan& jobs, const job_files& files, event_log& events)
    : given_(given),
      jobs_(jobs),
      printer_(files, given.tag),
      log_(given.joblog),
      events_(events),
      results_(given.results, files),
      progress_(given.quiet) {}

void reporter::job_ended(item_outcome<input, job_result>& outcome) {
  progress_.clear();
  const job_result* const result = outcome.result ? &*outcome.result : nullptr;
  const job_end job = end_of(outcome, outcome.item->text, result);
  events_.add(job);
  const auto command = [&] {
    return jobs_.command_for(
        {.item = *outcome.item, .number = job.number, .place = result == nullptr ? 1 : result->place});
  };
  if (!given_.results.empty() && !outcome.resumed) results_.add(job, command());
  if (result != nullptr) {
    if (result->output_error != 0) throw_output_error(result->output_error);
    print(outcome);
    if (!given_.joblog.empty() && !outcome.resumed) log_.add(job.number, *result, command());
    if (is_of_the_command(result->start_error)) take_start_error(*result, command());
  }
  if (!outcome.failed) return;
  if (result != nullptr) {
    failures_.add(*result, outcome.item->text);
  } else {
    failures_.add(outcome.result.error(), outcome.item->text);
  }
}

void reporter::print(const item_outcome<input, job_result>& outcome) const {
  const job_result& result = *outcome.result;
  if (given_.line_buffer && !outcome.resumed) return;  // it was passed on as it came
  const bool is_here =
      result.output.text.size() == result.output.size && result.errors.text.size() == result.errors.size;
  if (outcome.resumed && !is_here) {
    fmt::print(stderr, "selvage: {}: the output of its earlier run was too long to be kept\n", outcome.item->text);
  } else {
    printer_.print(result, outcome.item->text);
  }
}

void reporter::take_start_error(const job_result& result, const std::vector<std::string>& command) {
  if (start_error_ != 0) return;
  start_error_ = result.start_error;
  fmt::print(stderr, "selvage: {}: {}\n", command.front(), message_of(start_error_));
}

void reporter::run_ended(const run_report& report) {
  progress_.clear();
  tell_end(given_, report, failures_, events_);
}

}  // namespace selvage::cli

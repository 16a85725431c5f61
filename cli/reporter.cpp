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

reporter::reporter(const run_arguments& given, const job_plan& jobs, const output_shelf& shelf, event_log& events)
    : given_(given),
      jobs_(jobs),
      shelf_(shelf),
      printer_(shelf, given.tag),
      left_(shelf.files()),
      log_(given.joblog),
      events_(events),
      results_(given.results, shelf),
      progress_(given.quiet) {}

void reporter::job_ended(item_outcome<input, job_result>& outcome) {
  progress_.clear();
  if (outcome.resumed && outcome.result) outcome.result->place = 0;  // whose files are gone
  const job_result* const result = outcome.result ? &*outcome.result : nullptr;
  const job_end job = end_of(outcome, outcome.item->text, result);
  events_.add(job);
  const auto command = [&] {
    return jobs_.command_for(
        {.item = *outcome.item, .number = job.number, .place = result == nullptr ? 1 : result->place});
  };
  const auto left = left_.take(outcome.ordinal);
  const job_result* const wrote = result != nullptr ? result : left ? &*left : nullptr;
  const std::string words = outcome.failed && wrote != nullptr ? first_words(*wrote) : std::string();
  if (!given_.results.empty() && !outcome.resumed) results_.add(job, wrote, command());
  if (result == nullptr && left) printer_.print(*left, outcome.item->text);
  if (result != nullptr) {
    if (left) discard(*left, shelf_.files());  // of an attempt before the one that has a result
    if (result->output_error != 0) throw_output_error(result->output_error);
    print(outcome);
    const bool is_fixed = jobs_.for_shell || !jobs_.arguments.front().has_placeholder();
    if (is_fixed && is_of_the_command(result->start_error)) take_start_error(*result, command());
  }
  if (!given_.joblog.empty() && !outcome.resumed) log_.add(job, wrote, command());
  if (outcome.failed) add_failure(outcome, words);
}

void reporter::add_failure(const item_outcome<input, job_result>& outcome, const std::string& words) {
  if (outcome.result) return failures_.add(*outcome.result, outcome.item->text, words);
  failures_.add(outcome.result.error(), outcome.item->text, words);
}

std::string reporter::first_words(const job_result& of) const {
  return first_line(of.errors, shelf_.sources_of(of)[1]);
}

void reporter::print(const item_outcome<input, job_result>& outcome) const {
  const job_result& result = *outcome.result;
  if (given_.line_buffer && !outcome.resumed) return;  // it was passed on as it came
  const auto is_lost = [](const job_output& what) { return what.is_in_a_file() && what.file.empty(); };
  if (outcome.resumed && (is_lost(result.output) || is_lost(result.errors))) {
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

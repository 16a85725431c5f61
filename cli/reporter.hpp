#pragma once
// What is told of each job, and where: its output, the job log, events, results, progress, and the reasons of failures
// at the end. Called by: run_command.cpp, on its thread. Throws output_closed where nobody reads any more, and
// std::runtime_error where something cannot be written.

#include <functional>
#include <string>
#include <vector>

#include <selvage/run_options.hpp>

#include "event_log.hpp"
#include "job.hpp"
#include "job_log.hpp"
#include "leftovers.hpp"
#include "printer.hpp"
#include "progress.hpp"
#include "results.hpp"
#include "run_command.hpp"
#include "summary.hpp"

namespace selvage::cli {

class reporter {
 public:
  reporter(const run_arguments& given, const job_plan& jobs, const output_shelf& shelf, event_log& events);

  void job_ended(item_outcome<input, job_result>& outcome);
  void attempt_failed(const failed_attempt& attempt) { left_.attempt_failed(attempt); }
  void show(const run_progress& now) { progress_.show(now); }
  void run_ended(const run_report& report);

  /// errno of the first job that could not be started, 0 where there is none.
  [[nodiscard]] int start_error() const noexcept { return start_error_; }

 private:
  void print(const item_outcome<input, job_result>& outcome) const;
  void add_failure(const item_outcome<input, job_result>& outcome, const std::string& words);
  [[nodiscard]] std::string first_words(const job_result& of) const;
  void take_start_error(const job_result& result, const std::vector<std::string>& command);

  const run_arguments& given_;
  const job_plan& jobs_;
  const output_shelf& shelf_;
  job_printer printer_;
  leftovers left_;
  job_log log_;
  event_log& events_;
  result_folder results_;
  progress_line progress_;
  failure_summary failures_;
  int start_error_ = 0;
};

}  // namespace selvage::cli

#pragma once
// A line for each job that ran, in GNU parallel's columns: Seq Host Starttime JobRuntime Send Receive Exitval Signal
// Command. Tabs and line ends of a command are written as \\t and \\n, so a job is a line. Called by: reporter.cpp.

#include <optional>
#include <string>
#include <vector>

#include "event_log.hpp"
#include "job.hpp"
#include "new_file.hpp"

namespace selvage::cli {

class job_log {
 public:
  /// Throws std::runtime_error where it cannot be written. Empty: none is.
  explicit job_log(const std::string& path);
  /// `wrote`: its result, or what a job has left that was killed, whose Exitval is -1 and whose Signal is 9; or null.
  /// Throws std::runtime_error.
  void add(const job_end& job, const job_result* wrote, const std::vector<std::string>& command) const;

 private:
  std::optional<new_file> file_;
};

}  // namespace selvage::cli

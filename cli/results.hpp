#pragma once
// What each job has written, in files of its own: FOLDER/NUMBER/stdout, stderr and job.json. Called by: reporter.cpp.
// Throws std::runtime_error, naming the file, where one cannot be written: a result that is not there is no result.

#include <string>
#include <vector>

#include "event_log.hpp"
#include "job.hpp"
#include "output_shelf.hpp"

namespace selvage::cli {

class result_folder {
 public:
  /// Empty: nothing is kept.
  result_folder(std::string path, const output_shelf& shelf);
  /// `wrote`: the job's result, or what one without a result has left; null: nothing.
  void add(const job_end& job, const job_result* wrote, const std::vector<std::string>& command) const;

 private:
  void copy(const std::string& to, const job_output& what, int file) const;

  std::string path_;
  const output_shelf& shelf_;
};

}  // namespace selvage::cli

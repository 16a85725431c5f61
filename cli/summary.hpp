#pragma once
// What a run came to, on standard error: failures by reason, and the whole in a line or as JSON. Called by:
// run_command.cpp.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include <selvage/error.hpp>
#include <selvage/run_options.hpp>

#include "job.hpp"

namespace selvage::cli {

/// Why a job has failed, as one of a few reasons; nothing where it has not.
[[nodiscard]] std::optional<std::string> failure_of(const job_result& job);

/// What failed, by reason, with the first words of each.
class failure_summary {
 public:
  /// `words`: the first line of what it has written to its standard error.
  void add(const error& why, const std::string& item, const std::string& words = {});
  void add(const job_result& job, const std::string& item, const std::string& words);
  void print() const;

 private:
  std::map<std::string, std::pair<std::uint64_t, std::string>> reasons_;
};

void print_summary(const run_report& report);
void print_json(const run_report& report);

}  // namespace selvage::cli

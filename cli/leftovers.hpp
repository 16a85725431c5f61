#pragma once
// What jobs had written that came to no result: killed at a limit, or with their worker. Each attempt that fails is
// told before another job writes into the files of its place; where in them it began, its worker has noted in shared
// memory. Called by: reporter.cpp, on its thread.

#include <cstdint>
#include <optional>
#include <unordered_map>

#include <selvage/run_options.hpp>

#include "job.hpp"

namespace selvage::cli {

class leftovers {
 public:
  explicit leftovers(const job_files& files) : files_(files) {}

  void attempt_failed(const failed_attempt& attempt);
  /// What the last attempt of an item that was killed has left: a result of which only the output is there. The caller
  /// prints it or discards it. Nothing where none was, and without files.
  [[nodiscard]] std::optional<job_result> take(std::uint64_t ordinal);

 private:
  const job_files& files_;
  std::unordered_map<std::uint64_t, job_result> of_;  // by ordinal, of those whose outcome was not told yet
};

}  // namespace selvage::cli

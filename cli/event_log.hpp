#pragma once
// What happens during a run, as it happens, for programs: a JSON object a line, each with "v":1 and "event". Fields may
// be added; what is there keeps its meaning, or "v" changes.
//
//   run     name, command              job   number, item, outcome, attempts, seconds, and what it used
//   worker  started, died, recycled    end   how, and the counts of the report
//
// Called by: run_command.cpp. Thread-safe: one line at a time.

#include <cstdio>
#include <mutex>
#include <string>
#include <vector>

#include <selvage/event.hpp>
#include <selvage/run_options.hpp>

#include "job.hpp"

namespace selvage::cli {

/// One job's end, without types.
struct job_end {
  std::uint64_t number;
  std::string_view item;
  std::string_view key;
  const job_result* result;  ///< null: `problem` says why there is none
  const error* problem;
  bool failed;
  bool resumed;
  unsigned attempts;
  std::chrono::nanoseconds run_time;
};

class event_log {
 public:
  /// Throws std::runtime_error where it cannot be written. Empty: none is.
  explicit event_log(const std::string& path);
  event_log(const event_log&) = delete;
  event_log& operator=(const event_log&) = delete;
  ~event_log();

  [[nodiscard]] bool is_open() const noexcept { return file_ != nullptr; }
  void begin(const std::string& name, const std::vector<std::string>& command);
  void add(const job_end& job);
  void add(const event& of_pool);
  /// Throws std::runtime_error where any of it could not be written.
  void end(const run_report& report);

 private:
  void write(const std::string& line);

  std::string path_;
  std::FILE* file_ = nullptr;
  std::mutex mutex_;
  bool failed_ = false;
};

}  // namespace selvage::cli

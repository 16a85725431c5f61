#pragma once
// One command for one item: run in a worker, whose processes end with it. Its output goes straight to files that have
// no name, one pair for each place among the jobs that run; what is short comes back with the result, and what is long
// stays in the file until it is printed, so that no amount of it needs memory.

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <selvage/item_context.hpp>
#include <selvage/run_options.hpp>

#include "input.hpp"
#include "placeholder.hpp"

namespace selvage::cli {

/// How long the files of a place were when its job began, and which job that is. In memory that workers share with the
/// host, which reads it once the worker has ended or given its answer.
struct job_begin {
  std::atomic<std::uint32_t> attempt = 0;  ///< 0: none is noted; written last
  std::uint64_t ordinal = 0;
  std::uint64_t output = 0;
  std::uint64_t errors = 0;

  void note(const item_context& of, std::uint64_t output_before, std::uint64_t errors_before) noexcept;
};

/// What every job of a run has in common. Reaches the workers by fork.
struct job_plan {
  std::vector<text_template> arguments{};
  bool for_shell = false;  ///< the arguments are one line for /bin/sh
  /// By place - 1; empty: jobs write to our own output and errors.
  std::vector<int> output_files{};
  std::vector<int> error_files{};
  std::span<job_begin> begins{};
  /// Lines are passed on as they come. A file without content, whose lock keeps those of several jobs apart.
  std::optional<int> line_lock{};
  bool tagged = false;  ///< these lines begin with the item and a tab

  [[nodiscard]] std::vector<std::string> command_for(const expansion& with) const;
};

/// What one stream of a job has written.
struct job_output {
  std::string text{};  ///< all of it, where it is short
  std::uint64_t size = 0;
  std::uint64_t offset = 0;  ///< in the file of its place, where text is empty and size is not 0
};

struct job_result {
  std::int32_t exit_status = 0;
  std::int32_t signal = 0;        ///< that ended it, 0 for none
  std::int32_t start_error = 0;   ///< errno, where it could not be started
  std::int32_t output_error = 0;  ///< errno, where its lines could not be passed on
  std::uint32_t place = 1;
  bool is_incomplete = false;   ///< there was no room on the disk for all of its output
  std::int64_t started_ns = 0;  ///< since 1970
  std::int64_t took_ns = 0;
  std::uint64_t cpu_us = 0;
  std::uint64_t peak_bytes = 0;
  job_output output{};
  job_output errors{};
};

/// In a worker.
[[nodiscard]] job_result run_job(const job_plan& plan, const item_context& context, const input& item);

/// A file without a name, in the folder for temporary ones. Throws std::runtime_error.
[[nodiscard]] int make_unnamed_file();

/// Files without a name, for both streams of so many jobs at once. Throws std::runtime_error.
class job_files {
 public:
  explicit job_files(unsigned jobs);
  job_files(const job_files&) = delete;
  job_files& operator=(const job_files&) = delete;
  ~job_files();
  [[nodiscard]] const std::vector<int>& output() const noexcept { return output_; }
  [[nodiscard]] const std::vector<int>& errors() const noexcept { return errors_; }
  [[nodiscard]] std::vector<int> all() const;
  [[nodiscard]] std::span<job_begin> begins() const noexcept { return begins_; }
  /// What an attempt that has ended without a result has written in its place. Nothing where it had not begun.
  [[nodiscard]] std::optional<job_result> left_by(const failed_attempt& attempt) const;

 private:
  std::vector<int> output_;
  std::vector<int> errors_;
  std::span<job_begin> begins_;  // a map of its own
};

}  // namespace selvage::cli

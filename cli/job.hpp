#pragma once
// One command for one item: run in a worker, whose processes end with it, and those that the job leaves running with
// the job. Where its output goes: job_files.hpp, line_writer.hpp, or it is our own.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <selvage/item_context.hpp>

#include "input.hpp"
#include "job_files.hpp"
#include "job_output.hpp"
#include "placeholder.hpp"

namespace selvage::cli {

/// What every job of a run has in common. Reaches the workers by fork.
struct job_plan {
  std::vector<text_template> arguments{};
  bool for_shell = false;  ///< the arguments are one line for /bin/sh
  /// Null: jobs write to our own output and errors.
  const job_files* files = nullptr;
  /// Lines are passed on as they come. A file without content, whose lock keeps those of several jobs apart.
  std::optional<int> line_lock{};
  bool tagged = false;  ///< these lines begin with the item and a tab

  [[nodiscard]] std::vector<std::string> command_for(const expansion& with) const;
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

}  // namespace selvage::cli

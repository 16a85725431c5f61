#pragma once
// Where the output of jobs is until it is printed: files that have no name, one pair for each place among the jobs that
// run. What a job writes goes there at once, so that a job that is killed is heard; when it has ended, what is short
// comes back with its result and is taken out again, and what is long stays, so that no amount of it needs memory.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <selvage/item_context.hpp>
#include <selvage/run_options.hpp>

#include "checksum.hpp"
#include "job_output.hpp"
#include "owned_fd.hpp"

namespace selvage::cli {

/// How long the files of a place were when its job began, and which job that is. In memory that workers share with the
/// host, which reads it once the worker has ended or given its answer.
struct job_begin {
  std::atomic<std::uint32_t> attempt = 0;  ///< 0: none is noted; written last
  std::uint64_t ordinal = 0;
  std::array<std::uint64_t, 2> sizes{};

  void note(const item_context& of, const std::array<std::uint64_t, 2>& sizes_before) noexcept;
};

/// A file without a name, in the folder for temporary ones. Throws std::runtime_error.
[[nodiscard]] owned_fd make_unnamed_file();

/// The output, and the errors, of one job.
using job_outputs = std::array<job_output, 2>;
/// The files for these of one place; -1: there are none.
using place_files = std::array<int, 2>;

/// In the host, for so many jobs at once. Workers inherit the descriptors.
class job_files {
 public:
  /// `store`: what jobs write may have to outlive the run, in this directory; empty: it does not. Throws
  /// std::runtime_error.
  explicit job_files(unsigned jobs, const std::string& store = {});
  job_files(const job_files&) = delete;
  job_files& operator=(const job_files&) = delete;
  ~job_files();

  /// What is long has to be on the disk when its job has ended, with a checksum.
  [[nodiscard]] bool are_lasting() const noexcept { return are_lasting_; }
  [[nodiscard]] bool are_there() const noexcept { return !files_.empty(); }
  /// `place`: from 1. None where there are no files.
  [[nodiscard]] place_files of(unsigned place) const noexcept;
  [[nodiscard]] job_begin& begin_of(unsigned place) const noexcept { return begins_[place - 1]; }
  [[nodiscard]] std::vector<int> all() const;
  /// What an attempt that has ended without a result has written in its place. Nothing where it had not begun.
  [[nodiscard]] std::optional<job_outputs> left_by(const failed_attempt& attempt) const;

 private:
  std::vector<std::array<owned_fd, 2>> files_;
  std::span<job_begin> begins_;  // a map of its own
  bool are_lasting_;
};

/// In a worker: fills the files of its place.
class place_writer {
 public:
  place_writer(const job_files& files, const item_context& context);

  /// `stream`: 0 for the output, 1 for errors.
  void take(std::size_t stream, std::string_view text);
  /// Once the job has ended.
  [[nodiscard]] job_outputs finish();
  /// There was no room for all of what it has written.
  [[nodiscard]] bool is_incomplete() const noexcept { return is_cut_; }

 private:
  void finish_long(std::size_t stream);

  place_files files_;
  job_outputs written_{};
  std::array<std::optional<checksum>, 2> sums_{};  // of files that last
  std::array<bool, 2> is_full_{};
  bool is_cut_ = false;
};

}  // namespace selvage::cli

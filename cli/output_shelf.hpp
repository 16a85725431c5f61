#pragma once
// Where the host finds what jobs have written: in the files of their places and, with a store, in files that outlive
// the run. A long output of a job whose record is kept is not copied: the file of its place is given a name in the
// store's folder for files of the run, and the record says where in it the output is. Throws selvage::error
// (store_error) where that cannot be done.

#include <array>
#include <cstddef>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "job.hpp"
#include "job_files.hpp"
#include "owned_fd.hpp"

namespace selvage::cli {

/// The files in which the two streams of one job are; -1: in none.
class job_sources {
 public:
  [[nodiscard]] int operator[](std::size_t stream) const noexcept {
    return opened_[stream] ? opened_[stream].get() : of_place_[stream];
  }

 private:
  friend class output_shelf;
  place_files of_place_{-1, -1};
  std::array<owned_fd, 2> opened_;
};

class output_shelf {
 public:
  /// `folder`: see store::files_of; empty: nothing outlives the run.
  output_shelf(const job_files& files, std::filesystem::path folder)
      : files_(files), folder_(std::move(folder)), names_(folder_.empty() ? 0 : files.all().size()) {}

  [[nodiscard]] const job_files& files() const noexcept { return files_; }
  [[nodiscard]] job_sources sources_of(const job_result& job) const;

  /// What is long of it outlives the run from now on, and a crash of the machine.
  void keep(job_result& job);
  /// What was kept of it is there, and is what it was.
  [[nodiscard]] bool holds(const job_result& job);

 private:
  void keep_one(job_output& what, int file, std::string& name);
  [[nodiscard]] std::string next_name() const;
  [[nodiscard]] std::string link(int file) const;
  [[nodiscard]] std::string copy(const job_output& what, int file) const;
  void sync_folder() const;
  [[nodiscard]] owned_fd open(const std::string& name) const;
  [[nodiscard]] const std::string& linked_name(unsigned place, std::size_t stream) const;

  const job_files& files_;
  std::filesystem::path folder_;
  std::vector<std::string> names_;  // by place and stream, of what has been linked
  std::set<std::string> told_;      // files of which was said that they are damaged
};

}  // namespace selvage::cli

#pragma once
// Passes on what a job writes line by line, as it comes, so that lines of several jobs are mixed and none is torn.
// Called by: job.cpp, in a worker. Never: keeps more of a line than a mebibyte; a longer one is passed on in parts.

#include <signal.h>
#include <sys/resource.h>
#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "job.hpp"

namespace selvage::cli {

class line_relay {
 public:
  /// `lock`: a file that all jobs share. `tag`: before each line, with a tab. `keeps`: that much of each
  /// stream is kept as well.
  line_relay(int lock, std::optional<std::string> tag, std::uint64_t keeps);
  line_relay(const line_relay&) = delete;
  line_relay& operator=(const line_relay&) = delete;
  ~line_relay();

  /// For the job's standard output and errors.
  [[nodiscard]] int output_end() const noexcept { return streams_[0].theirs; }
  [[nodiscard]] int errors_end() const noexcept { return streams_[1].theirs; }

  /// Waits for the child, not for descendants that still have its streams open.
  void pass_on_until_the_end_of(pid_t child, int& status, rusage& used);

  [[nodiscard]] job_output take_output() { return std::move(streams_[0].kept); }
  [[nodiscard]] job_output take_errors() { return std::move(streams_[1].kept); }
  /// errno, where a line could not be written.
  [[nodiscard]] int problem() const noexcept { return problem_; }

 private:
  struct stream {
    int to = -1;
    int ours = -1;
    int theirs = -1;
    std::string line{};  // that has no end yet
    job_output kept{};
  };

  bool read_some(stream& from);
  void pass(stream& from, std::string_view text);
  void finish(stream& from);
  void write_lines(int to, std::string_view lines);

  int lock_;
  std::optional<std::string> tag_;
  std::uint64_t keeps_;
  int problem_ = 0;
  int child_signal_ = -1;
  sigset_t before_{};
  std::array<stream, 2> streams_{};
};

}  // namespace selvage::cli

#pragma once
// Passes on what a job writes line by line, as it comes, so that lines of several jobs are mixed and none is torn.
// Called by: job.cpp, in a worker. Never: keeps more of a line than a mebibyte; a longer one is passed on in parts.

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace selvage::cli {

class line_writer {
 public:
  /// `lock`: a file that all jobs share. `tag`: before each line, with a tab.
  line_writer(int lock, std::optional<std::string> tag);

  /// `stream`: 0 for the output, 1 for errors.
  void take(std::size_t stream, std::string_view text);
  /// The last lines, where they have no end: the next line that somebody writes begins a new one.
  void finish();
  /// errno, where a line could not be written.
  [[nodiscard]] int problem() const noexcept { return problem_; }

 private:
  void write_lines(std::size_t stream, std::string_view lines);

  int lock_;
  std::optional<std::string> tag_;
  int problem_ = 0;
  std::array<std::string, 2> begun_{};  // lines that have no end yet
};

}  // namespace selvage::cli

#pragma once
// How far a run is: a line that is written over on a terminal, a line for each tenth elsewhere, on standard error.

#include <chrono>
#include <cstdint>

#include <selvage/run_options.hpp>

namespace selvage::cli {

class progress_line {
 public:
  explicit progress_line(bool quiet);
  void show(const run_progress& now);
  /// Takes the line away, before something else is printed.
  void clear();

 private:
  bool quiet_;
  bool on_terminal_;
  bool shown_ = false;
  unsigned tenths_ = 0;
};

/// "1.2 s", "3 min 5 s"
[[nodiscard]] std::string readable(std::chrono::nanoseconds time);

}  // namespace selvage::cli

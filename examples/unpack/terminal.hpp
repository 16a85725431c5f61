#pragma once
// What is seen while it runs: a progress bar on a terminal, and nothing anywhere else. Called by the three runs.

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace unpack {

/// May output use colours? On a terminal that is not dumb, unless NO_COLOR is set. Source: https://no-color.org
[[nodiscard]] bool colours();

/// One line that is redrawn in place on standard error: done, rate, and the time that is left. Draws only where
/// standard output and standard error are both terminals; erases itself when it is destroyed. One thread.
class progress_bar {
 public:
  progress_bar(const char* label, std::size_t total);
  ~progress_bar();
  progress_bar(const progress_bar&) = delete;
  progress_bar& operator=(const progress_bar&) = delete;

  /// Is it time to draw again (ten times a second)? Always false where nothing is drawn.
  [[nodiscard]] bool due() const;
  void show(std::size_t done, std::uint64_t bytes_out);

 private:
  using clock = std::chrono::steady_clock;

  const char* label_;
  std::size_t total_;
  bool visible_;
  clock::time_point began_ = clock::now();
  clock::time_point drawn_ = began_;
};

}  // namespace unpack

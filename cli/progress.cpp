// See progress.hpp.

#include "progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <string>

namespace selvage::cli {

std::string readable(std::chrono::nanoseconds time) {
  const double seconds = static_cast<double>(time.count()) / 1e9;
  if (seconds < 1) return fmt::format("{:.0f} ms", seconds * 1e3);
  if (seconds < 60) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<std::int64_t>(seconds);
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
}

progress_line::progress_line(bool quiet) : quiet_(quiet), on_terminal_(::isatty(STDERR_FILENO) == 1) {}

void progress_line::show(const run_progress& now) {
  if (quiet_) return;
  const std::uint64_t done = now.succeeded + now.failed;
  const double seconds = static_cast<double>(now.elapsed.count()) / 1e9;
  const double rate = seconds > 0 ? static_cast<double>(done - now.resumed) / seconds : 0;
  std::string line = now.source_ended ? fmt::format("{} of {}", done, now.pulled) : fmt::format("{} done", done);
  if (now.source_ended && now.pulled != 0) line += fmt::format(" ({} %)", done * 100 / now.pulled);
  if (now.failed != 0) line += fmt::format(", {} failed", now.failed);
  if (now.resumed != 0) line += fmt::format(", {} done before", now.resumed);
  line += fmt::format(", {:.1f} a second", rate);
  if (now.source_ended && rate > 0 && done < now.pulled) {
    line += ", " +
            readable(std::chrono::nanoseconds(
                static_cast<std::int64_t>(static_cast<double>(now.pulled - done) / rate * 1e9))) +
            " left";
  }
  if (on_terminal_) {
    fmt::print(stderr, "\r\033[K{}", line);
    std::fflush(stderr);
    shown_ = true;
    return;
  }
  if (!now.source_ended || now.pulled == 0) return;
  const auto tenths = static_cast<unsigned>(done * 10 / now.pulled);
  if (tenths <= tenths_) return;
  tenths_ = tenths;
  fmt::print(stderr, "selvage: {}\n", line);
}

void progress_line::clear() {
  if (!shown_) return;
  std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
  shown_ = false;
}

}  // namespace selvage::cli

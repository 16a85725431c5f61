// See terminal.hpp.

#include "terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace unpack {
namespace {

constexpr std::chrono::milliseconds redraw_after{100};
constexpr int beside_the_bar = 72;  // columns of label, counts, rates and the time left
constexpr int widest_bar = 40;

bool on_terminal() {
  static const bool is = [] {
    const char* const kind = std::getenv("TERM");  // NOLINT(concurrency-mt-unsafe): nobody sets the environment
    return ::isatty(STDOUT_FILENO) == 1 && ::isatty(STDERR_FILENO) == 1 && kind != nullptr &&
           std::string_view(kind) != "dumb";
  }();
  return is;
}

int columns() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

bool colours() {
  const char* const refused = std::getenv("NO_COLOR");  // NOLINT(concurrency-mt-unsafe): nobody sets the environment
  return on_terminal() && (refused == nullptr || *refused == '\0');
}

progress_bar::progress_bar(const char* label, std::size_t total)
    : label_(label), total_(total), visible_(on_terminal()) {}

progress_bar::~progress_bar() {
  if (visible_) std::fputs("\r\x1b[K", stderr);
}

bool progress_bar::due() const { return visible_ && clock::now() - drawn_ >= redraw_after; }

void progress_bar::show(std::size_t done, std::uint64_t bytes_out) {
  if (!visible_ || total_ == 0) return;
  drawn_ = clock::now();
  const double seconds = std::chrono::duration<double>(drawn_ - began_).count();
  const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
  const double left = rate > 0 ? static_cast<double>(total_ - done) / rate : 0;
  const double megabytes = seconds > 0 ? static_cast<double>(bytes_out) / 1e6 / seconds : 0;

  const auto width = static_cast<std::size_t>(std::clamp(columns() - beside_the_bar, 4, widest_bar));
  const std::size_t full = width * done / total_;
  const std::string bar = std::string(full, '#') + std::string(width - full, '.');
  std::fprintf(stderr, "\r%-16s%s[%s]%s %zu/%zu  %.0f/s  %.0f MB/s  %.0f s left\x1b[K", label_,
               colours() ? "\x1b[32m" : "", bar.c_str(), colours() ? "\x1b[0m" : "", done, total_, rate, megabytes,
               left);
}

}  // namespace unpack

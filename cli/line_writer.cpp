// See line_writer.hpp.

#include "line_writer.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "printer.hpp"

namespace selvage::cli {
namespace {

constexpr std::size_t longest_line = std::size_t{1} << 20U;

/// A lock of this process, which is gone with it: that of a worker that was killed in the middle holds up nobody.
void lock(int file, short how) {
  struct flock all {};
  all.l_type = how;
  all.l_whence = SEEK_SET;
  while (::fcntl(file, F_SETLKW, &all) == -1 && errno == EINTR) {
  }
}

}  // namespace

line_writer::line_writer(int lock, std::optional<std::string> tag) : lock_(lock), tag_(std::move(tag)) {}

void line_writer::take(std::size_t stream, std::string_view text) {
  std::string& line = begun_[stream];
  line += text;
  const std::size_t end = line.rfind('\n');
  if (end != line.npos) {
    write_lines(stream, std::string_view(line).substr(0, end + 1));
    line.erase(0, end + 1);
  } else if (line.size() > longest_line) {
    write_lines(stream, line);
    line.clear();
  }
}

void line_writer::finish() {
  for (std::size_t stream = 0; stream < begun_.size(); ++stream) {
    if (!begun_[stream].empty()) write_lines(stream, begun_[stream] + '\n');
  }
}

void line_writer::write_lines(std::size_t stream, std::string_view lines) {
  std::string tagged;
  if (tag_) lines = tagged = line_tagger(*tag_).pass(lines);
  if (problem_ != 0) return;
  lock(lock_, F_WRLCK);
  problem_ = try_to_write_all(stream == 0 ? STDOUT_FILENO : STDERR_FILENO, lines);
  lock(lock_, F_UNLCK);
}

}  // namespace selvage::cli

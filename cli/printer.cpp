// See printer.hpp.

#include "printer.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <vector>

namespace selvage::cli {
namespace {

constexpr std::size_t copied_at_once = 65'536;

}  // namespace

// Where it cannot be given back, it is at the end.
void give_back(const job_output& what, int file) {
  if (!what.is_in_a_file()) return;
  (void)::fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(what.offset),
                    static_cast<off_t>(what.size));
}

int try_to_write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t wrote = ::write(fd, text.data(), text.size());
    if (wrote >= 0) {
      text.remove_prefix(static_cast<std::size_t>(wrote));
    } else if (errno == EAGAIN) {
      pollfd room{fd, POLLOUT, 0};
      (void)::poll(&room, 1, -1);
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

void throw_output_error(int error) {
  if (error == EPIPE) throw output_closed();
  throw std::runtime_error(fmt::format("output cannot be written: {}", std::generic_category().message(error)));
}

void write_all(int fd, std::string_view text) {
  if (const int error = try_to_write_all(fd, text)) throw_output_error(error);
}

void job_printer::print(const job_result& job, std::string_view tag) const {
  const job_sources from = shelf_.sources_of(job);
  print_one(STDOUT_FILENO, job.output, from[0], tag);
  print_one(STDERR_FILENO, job.errors, from[1], tag);
}

std::string line_tagger::pass(std::string_view text) {
  std::string tagged;
  for (const char c : text) {
    if (at_begin_) tagged.append(tag_).append(1, '\t');
    at_begin_ = c == '\n';
    tagged += c;
  }
  return tagged;
}

void read_output(const job_output& what, int file, const std::function<void(std::string_view)>& to) {
  if (!what.is_in_a_file()) return to(what.text);
  std::vector<char> part(copied_at_once);
  for (std::uint64_t done = 0; done < what.size;) {
    const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(part.size(), what.size - done));
    const ssize_t got = ::pread(file, part.data(), want, static_cast<off_t>(what.offset + done));
    if (got < 0 && errno == EINTR) continue;
    // A worker has said that there is more than it has written, or that it is where no file reaches.
    if (got == 0 || (got < 0 && errno == EINVAL)) return;
    if (got < 0) throw std::runtime_error("output of a job cannot be read: " + std::generic_category().message(errno));
    to({part.data(), static_cast<std::size_t>(got)});
    done += static_cast<std::uint64_t>(got);
  }
}

void job_printer::print_one(int to, const job_output& what, int file, std::string_view tag) const {
  line_tagger tagged(tag);
  if (file < 0 && what.is_in_a_file()) throw std::runtime_error("output of a job cannot be read: its file is gone");
  read_output(what, file, [&](std::string_view text) {
    if (tagged_) return write_all(to, tagged.pass(text));
    write_all(to, text);
  });
  if (what.file.empty()) give_back(what, file);
}

std::string first_line(const job_output& what, int file) {
  constexpr std::size_t most = 256;
  std::string line = what.text.substr(0, most);
  if (line.empty() && what.size != 0 && file >= 0) {
    line.resize(std::min<std::uint64_t>(what.size, most));
    const ssize_t got = ::pread(file, line.data(), line.size(), static_cast<off_t>(what.offset));
    line.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  }
  line.resize(std::min(line.size(), line.find('\n')));
  return line;
}

void discard(const job_result& job, const job_files& files) {
  const auto [output, errors] = files.of(job.place);
  give_back(job.output, output);
  give_back(job.errors, errors);
}

}  // namespace selvage::cli

// See printer.hpp.

#include "printer.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <vector>

namespace selvage::cli {
namespace {

constexpr std::size_t copied_at_once = 65'536;

/// Puts a tag before each line of what passes through.
class tagger {
 public:
  explicit tagger(std::string_view tag) : tag_(tag) {}
  [[nodiscard]] std::string pass(std::string_view text) {
    std::string tagged;
    for (const char c : text) {
      if (at_begin_) tagged.append(tag_).append(1, '\t');
      at_begin_ = c == '\n';
      tagged += c;
    }
    return tagged;
  }

 private:
  std::string_view tag_;
  bool at_begin_ = true;
};

}  // namespace

void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t wrote = ::write(fd, text.data(), text.size());
    if (wrote >= 0) {
      text.remove_prefix(static_cast<std::size_t>(wrote));
    } else if (errno == EPIPE) {
      throw output_closed();
    } else if (errno != EINTR && errno != EAGAIN) {
      throw std::runtime_error(fmt::format("output cannot be written: {}", std::generic_category().message(errno)));
    }
  }
}

void job_printer::print(const job_result& job, std::string_view tag) const {
  if (files_.output().empty()) return;
  print_one(STDOUT_FILENO, job.output, files_.output()[job.place - 1], tag);
  print_one(STDERR_FILENO, job.errors, files_.errors()[job.place - 1], tag);
}

void job_printer::print_one(int to, const job_output& what, int file, std::string_view tag) const {
  tagger tagged(tag);
  const auto put = [&](std::string_view text) { write_all(to, tagged_ ? std::string_view(tagged.pass(text)) : text); };
  if (!what.text.empty() || what.size == 0) return put(what.text);
  std::vector<char> part(copied_at_once);
  for (std::uint64_t done = 0; done < what.size;) {
    const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(part.size(), what.size - done));
    const ssize_t got = ::pread(file, part.data(), want, static_cast<off_t>(what.offset + done));
    if (got <= 0) {
      if (got < 0 && errno == EINTR) continue;
      throw std::runtime_error("the output of a job cannot be read back");
    }
    put({part.data(), static_cast<std::size_t>(got)});
    done += static_cast<std::uint64_t>(got);
  }
  // Its room on the disk is given back. Where that cannot be, it is at the end.
  (void)::fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(what.offset),
                    static_cast<off_t>(what.size));
}

job_log::job_log(const std::string& path) {
  if (path.empty()) return;
  file_ = std::fopen(path.c_str(), "we");
  if (file_ == nullptr) throw std::runtime_error(fmt::format("{}: {}", path, std::generic_category().message(errno)));
  std::fputs("Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n", file_);
}

job_log::~job_log() {
  if (file_ != nullptr) std::fclose(file_);
}

void job_log::add(std::uint64_t number, const job_result& job, std::string_view command) {
  if (file_ == nullptr) return;
  fmt::print(file_, "{}\t:\t{:.3f}\t{:10.3f}\t0\t{}\t{}\t{}\t{}\n", number, static_cast<double>(job.started_ns) / 1e9,
             static_cast<double>(job.took_ns) / 1e9, job.output.size, job.exit_status, job.signal, command);
  std::fflush(file_);
}

}  // namespace selvage::cli

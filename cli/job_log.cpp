// See job_log.hpp.

#include "job_log.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "printer.hpp"

namespace selvage::cli {
namespace {

[[noreturn]] void fail(const std::string& path, int error) {
  throw std::runtime_error(fmt::format("--joblog: {}: {}", path, std::generic_category().message(error)));
}

std::string in_one_line(const std::vector<std::string>& command) {
  std::string line;
  for (const char c : fmt::to_string(fmt::join(command, " "))) {
    if (c == '\n') {
      line += "\\n";
    } else if (c == '\t') {
      line += "\\t";
    } else {
      line += c;
    }
  }
  return line;
}

}  // namespace

job_log::job_log(std::string path) : path_(std::move(path)) {
  if (path_.empty()) return;
  constexpr mode_t mode = 0666;
  file_.reset(::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
  if (!file_) fail(path_, errno);
  write("Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n");
}

void job_log::add(const job_end& job, const job_result* wrote, const std::vector<std::string>& command) const {
  std::int64_t took_ns = job.run_time.count();
  std::int64_t started_ns =
      std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count() - took_ns;
  int exit_status = -1, signal = SIGKILL;
  if (job.result != nullptr) {
    started_ns = job.result->started_ns;
    took_ns = job.result->took_ns;
    exit_status = job.result->exit_status;
    signal = job.result->signal;
  }
  write(fmt::format("{}\t:\t{:.3f}\t{:10.3f}\t0\t{}\t{}\t{}\t{}\n", job.number, static_cast<double>(started_ns) / 1e9,
                    static_cast<double>(took_ns) / 1e9, wrote == nullptr ? 0 : wrote->output.size, exit_status, signal,
                    in_one_line(command)));
}

void job_log::write(const std::string& line) const {
  if (const int error = try_to_write_all(file_.get(), line)) fail(path_, error);
}

}  // namespace selvage::cli

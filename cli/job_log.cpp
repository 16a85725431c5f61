// See job_log.hpp.

#include "job_log.hpp"

#include <fmt/format.h>

#include <chrono>
#include <csignal>

namespace selvage::cli {
namespace {

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

job_log::job_log(const std::string& path) {
  if (path.empty()) return;
  file_.emplace("--joblog", path);
  file_->write("Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n");
}

void job_log::add(const job_end& job, const job_result* wrote, const std::vector<std::string>& command) const {
  if (!file_) return;
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
  file_->write(fmt::format("{}\t:\t{:.3f}\t{:10.3f}\t0\t{}\t{}\t{}\t{}\n", job.number,
                           static_cast<double>(started_ns) / 1e9, static_cast<double>(took_ns) / 1e9,
                           wrote == nullptr ? 0 : wrote->output.size, exit_status, signal, in_one_line(command)));
}

}  // namespace selvage::cli

// See event_log.hpp.

#include "event_log.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <system_error>

#include "json.hpp"

namespace selvage::cli {
namespace {

std::string head(std::string_view what) {
  const auto now = std::chrono::system_clock::now();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  return fmt::format(R"({{"v":1,"event":"{}","time":"{:%Y-%m-%dT%H:%M:%S}.{:03}Z")", what,
                     fmt::gmtime(std::chrono::system_clock::to_time_t(now)), ms);
}

double seconds(std::chrono::nanoseconds time) { return static_cast<double>(time.count()) / 1e9; }

const char* word_of(event_kind kind) {
  switch (kind) {
    case event_kind::worker_started:
      return "started";
    case event_kind::worker_died:
      return "died";
    case event_kind::worker_recycled:
      return "recycled";
    case event_kind::worker_start_failed:
      return "start_failed";
    default:
      return nullptr;
  }
}

const char* word_of(run_report::ending how) {
  switch (how) {
    case run_report::ending::finished:
      return "finished";
    case run_report::ending::stopped:
      return "stopped";
    case run_report::ending::halted:
      return "halted";
    case run_report::ending::failed:
      return "failed";
  }
  return "failed";
}

}  // namespace

event_log::event_log(const std::string& path) : path_(path) {
  if (path.empty()) return;
  file_ = std::fopen(path.c_str(), "we");
  if (file_ == nullptr) throw std::runtime_error(fmt::format("{}: {}", path, std::generic_category().message(errno)));
}

event_log::~event_log() {
  if (file_ != nullptr) std::fclose(file_);
}

// Each line is there when its event is over: whoever reads along sees it.
void event_log::write(const std::string& line) {
  const std::lock_guard lock(mutex_);
  failed_ = failed_ || std::fputs(line.c_str(), file_) < 0 || std::fflush(file_) != 0;
}

void event_log::begin(const std::string& name, const std::vector<std::string>& command) {
  if (!is_open()) return;
  write(head("run") + R"(,"name":)" + json_text(name) + R"(,"command":)" + json_list(command) + "}\n");
}

void event_log::add(const job_end& job) {
  if (!is_open()) return;
  const char* const otherwise = job.failed ? "failed" : "done";
  std::string line = head("job");
  line +=
      fmt::format(R"(,"number":{},"item":{},"outcome":"{}","attempts":{},"resumed":{},"seconds":{:.6f})", job.number,
                  json_text(job.item), job.problem != nullptr ? to_string(job.problem->code()) : otherwise,
                  job.attempts, job.resumed, seconds(job.run_time));
  if (!job.key.empty()) line += R"(,"key":)" + json_text(job.key);
  if (job.problem != nullptr) line += R"(,"message":)" + json_text(job.problem->details().message);
  if (job.result != nullptr) {
    const job_result& its = *job.result;
    line +=
        fmt::format(R"(,"exit":{},"signal":{},"cpu_seconds":{:.6f},"peak_bytes":{},"output_bytes":{},"error_bytes":{})",
                    its.exit_status, its.signal, static_cast<double>(its.cpu_us) / 1e6, its.peak_bytes, its.output.size,
                    its.errors.size);
  }
  write(line + "}\n");
}

void event_log::add(const event& of_pool) {
  const char* const word = word_of(of_pool.kind);
  if (!is_open() || word == nullptr) return;
  write(head("worker") + fmt::format(R"(,"what":"{}","place":{},"pid":{},"signal":{},"exit":{}}})"
                                     "\n",
                                     word, of_pool.lane + 1, of_pool.worker_pid, of_pool.signal, of_pool.exit_status));
}

void event_log::end(const run_report& report) {
  if (!is_open()) return;
  write(head("end") +
        fmt::format(R"(,"how":"{}","items":{},"succeeded":{},"failed":{},"resumed":{},"not_run":{},"attempts":{},)"
                    R"("seconds":{:.6f},"cpu_seconds":{:.6f}}})"
                    "\n",
                    word_of(report.how), report.items, report.succeeded, report.failed, report.resumed, report.not_run,
                    report.attempts, seconds(report.wall), seconds(report.cpu)));
  if (failed_) throw std::runtime_error(path_ + ": not all events could be written");
}

}  // namespace selvage::cli

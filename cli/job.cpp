// See job.hpp.

#include "job.hpp"

#include <sys/resource.h>
#include <sys/wait.h>

#include <chrono>
#include <functional>
#include <utility>

#include "job_process.hpp"
#include "line_writer.hpp"
#include "output_pipes.hpp"

namespace selvage::cli {
namespace {

std::uint64_t microseconds_of(const timeval& time) {
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000U + static_cast<std::uint64_t>(time.tv_usec);
}

/// Started, and waited for. `wait`: until the job has ended, reading what it writes.
void run_process(job_result& result, job_process& job, const std::vector<std::string>& command,
                 const std::function<void()>& wait) {
  result.start_error = job.start(command);
  if (result.start_error != 0) return;
  wait();
  if (WIFSIGNALED(job.status())) result.signal = WTERMSIG(job.status());
  if (WIFEXITED(job.status())) result.exit_status = WEXITSTATUS(job.status());
  const rusage& used = job.used();
  result.cpu_us = microseconds_of(used.ru_utime) + microseconds_of(used.ru_stime);
  result.peak_bytes = static_cast<std::uint64_t>(used.ru_maxrss) * 1024;
}

void run_and_read(job_result& result, const std::vector<std::string>& command, const output_pipes::sink& to) {
  job_process job;
  output_pipes pipes;
  pipes.connect(job);
  run_process(result, job, command, [&] { pipes.read_to_the_end_of(job, to); });
}

void run_by_lines(job_result& result, const std::vector<std::string>& command, line_writer lines) {
  run_and_read(result, command, [&](std::size_t stream, std::string_view part) {
    (stream == output_pipes::output ? result.output : result.errors).append(part);
    lines.take(stream, part);
  });
  lines.finish();
  result.output_error = lines.problem();
}

void run_in_place(job_result& result, const std::vector<std::string>& command, place_writer writer) {
  run_and_read(result, command, [&](std::size_t stream, std::string_view part) { writer.take(stream, part); });
  auto [output, errors] = writer.finish();
  result.output = std::move(output);
  result.errors = std::move(errors);
  result.is_incomplete = writer.is_incomplete();
}

void run_alone(job_result& result, const std::vector<std::string>& command) {
  job_process job;
  run_process(result, job, command, [&] { job.has_ended(0); });
}

}  // namespace

std::vector<std::string> job_plan::command_for(const expansion& with) const {
  std::vector<std::string> command;
  if (!for_shell) {
    for (const text_template& each : arguments) command.push_back(each.expand(with));
    return command;
  }
  std::string line;
  for (const text_template& each : arguments) line += (line.empty() ? "" : " ") + each.expand(with, true);
  return {"/bin/sh", "-c", std::move(line)};
}

job_result run_job(const job_plan& plan, const item_context& context, const input& item) {
  job_result result{
      .place = context.place,
      .started_ns = std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count()};
  const auto begun = std::chrono::steady_clock::now();
  const auto command = plan.command_for({.item = item, .number = context.ordinal + 1, .place = context.place});
  if (plan.line_lock) {
    run_by_lines(result, command, {*plan.line_lock, plan.tagged ? std::optional(item.text) : std::nullopt});
  } else if (plan.files != nullptr) {
    run_in_place(result, command, {*plan.files, context});
  } else {
    run_alone(result, command);
  }
  result.took_ns = std::chrono::nanoseconds(std::chrono::steady_clock::now() - begun).count();
  return result;
}

}  // namespace selvage::cli

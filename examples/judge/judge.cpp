// Two tasks, of two classes: the compiler may do what this program may, what it makes may do nothing.

#include "judge.hpp"

#include <signal.h>
#include <string.h>

#include <sstream>

#include "run_program.hpp"

namespace {

using selvage::permissions;

run_outcome compile(const std::string& source, const std::string& binary) {
  return run_program({"/usr/bin/g++", "-std=c++20", "-O2", "-o", binary, source}, "");
}

run_outcome run(const std::string& binary, const std::string& input) { return run_program({binary}, input); }

std::string normal(const std::string& text) {
  std::istringstream lines(text);
  std::string all, line;
  std::size_t end = 0;
  while (std::getline(lines, line)) {
    line.erase(line.find_last_not_of(" \t\r") + 1);
    all += line + '\n';
    if (!line.empty()) end = all.size();
  }
  return all.substr(0, end);
}

judgement judged(const run_outcome& ran, const test_case& wanted, const judge::limits& given) {
  if (ran.start_error != 0) return {"not started", ::strerrordesc_np(ran.start_error)};
  if (ran.too_much) return {"output limit"};
  if (ran.signal == SIGSYS) return {"denied system call"};
  // It could not have more than the limit: a program that asked for more has failed, in one way or another.
  const bool was_full = ran.peak_bytes > given.memory.count / 10 * 9;
  const bool failed = ran.signal != 0 || ran.exit_status != 0;
  if (failed && (was_full || ran.errors.find("std::bad_alloc") != std::string::npos)) return {"memory limit"};
  if (ran.signal != 0) return {"runtime error", std::string("SIG") + ::sigabbrev_np(ran.signal)};
  if (ran.exit_status != 0) return {"runtime error", "exit status " + std::to_string(ran.exit_status)};
  if (normal(ran.output) != normal(wanted.wanted)) return {"wrong answer"};
  return {"accepted", std::to_string(ran.cpu_us / 1000) + " ms"};
}

judgement judged(const selvage::error& problem) {
  switch (problem.code()) {
    case selvage::errc::cpu_limit:
    case selvage::errc::timed_out:
      return {"time limit"};
    case selvage::errc::out_of_memory:
      return {"memory limit"};
    default:
      return {"judge failed", problem.what()};
  }
}

}  // namespace

judge::judge(std::filesystem::path folder, limits given)
    : folder_(std::move(folder)),
      limits_(given),
      compile_("compile", compile, {.timeout = std::chrono::seconds(60)}),
      run_("run", run,
           {.timeout = 5 * given.cpu,  // one that sleeps uses no processor time
            .memory = given.memory,
            .cpu = given.cpu,
            .files = 16,
            .permissions = permissions::strict().run(folder_.string()).threads(4)}),
      pool_({.workers = 2,
             .start = selvage::start::spawn,
             .permissions = permissions::unsafe().env("PATH"),  // g++ looks for ld there
             .on_violation = selvage::on_violation::kill},
            compile_, run_) {}

judgement judge::of(const std::string& name, const std::filesystem::path& source, const std::vector<test_case>& cases) {
  const std::string binary = folder_ / name;
  const auto compiled = pool_.call(compile_, source.string(), binary).result();
  if (!compiled) return judged(compiled.error());
  if (compiled->exit_status != 0 || compiled->signal != 0)
    return {"compile error", compiled->errors.substr(0, compiled->errors.find('\n'))};
  std::vector<selvage::future<run_outcome>> runs;
  runs.reserve(cases.size());
  for (const test_case& each : cases) runs.push_back(pool_.call(run_, binary, each.input));
  judgement all{"accepted"};
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const auto ran = runs[i].result();
    judgement one = ran ? judged(*ran, cases[i], limits_) : judged(ran.error());
    one.passed = all.passed;
    if (one.verdict != "accepted") return one;  // what is left of the others is aborted
    all.detail = one.detail;
    ++all.passed;
  }
  return all;
}

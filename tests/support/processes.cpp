// What tests do to processes that are not their children: compiled once, for all tests.

#include "tests/support/processes.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <system_error>

#include "base/clock.hpp"

namespace selvage::tests {

bool is_stopped(int pid) {
  std::error_code gone;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task", gone)) {
    std::ifstream status(thread.path() / "status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("State:") && line.find("T (stopped)") == line.npos) return false;
    }
  }
  return true;
}

std::set<int> descendants_of(int ancestor) {
  std::map<int, int> parents;
  std::error_code gone;
  for (const auto& process : std::filesystem::directory_iterator("/proc", gone)) {
    std::ifstream file(process.path() / "status");
    int pid = 0;
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with("Pid:")) pid = std::stoi(line.substr(4));
      if (line.starts_with("PPid:")) parents[pid] = std::stoi(line.substr(5));
    }
  }
  std::set<int> found;
  for (const auto& [pid, parent] : parents) {
    for (int above = parent; above > 0; above = parents.contains(above) ? parents[above] : 0) {
      if (above != ancestor) continue;
      found.insert(pid);
      break;
    }
  }
  return found;
}

context_switches context_switches::of_thread(const std::string& thread) {
  context_switches it;
  std::ifstream status(thread + "/status");
  for (std::string word; status >> word;) {
    if (word == "voluntary_ctxt_switches:") status >> it.voluntary;
    if (word == "nonvoluntary_ctxt_switches:") status >> it.involuntary;
  }
  return it;
}

context_switches context_switches::of_process(int pid) {
  context_switches sum;
  std::error_code gone;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task", gone)) {
    const context_switches more = of_thread(thread.path().string());
    sum.voluntary += more.voluntary;
    sum.involuntary += more.involuntary;
  }
  return sum;
}

void stop_process(int pid) {
  ::kill(pid, SIGSTOP);
  for (const std::uint64_t limit = base::now_ns() + 20'000'000'000U; base::now_ns() < limit; ::usleep(200)) {
    if (is_stopped(pid)) return;
  }
  ADD_FAILURE() << "process " << pid << " does not stop";
}

}  // namespace selvage::tests

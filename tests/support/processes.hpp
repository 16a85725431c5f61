#pragma once
// What tests do to processes that are not their children. Called by tests only. Never: waits without a bound.

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/clock.hpp"

namespace selvage::tests {

/// Each of its threads has stopped, or it is gone.
[[nodiscard]] inline bool is_stopped(int pid) {
  std::error_code gone;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task", gone)) {
    std::ifstream status(thread.path() / "status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("State:") && line.find("T (stopped)") == line.npos) return false;
    }
  }
  return true;
}

/// Stops a process and waits until it has stopped: SIGSTOP takes its time.
inline void stop_process(int pid) {
  ::kill(pid, SIGSTOP);
  for (const std::uint64_t limit = base::now_ns() + 20'000'000'000U; base::now_ns() < limit; ::usleep(200)) {
    if (is_stopped(pid)) return;
  }
  ADD_FAILURE() << "process " << pid << " does not stop";
}

}  // namespace selvage::tests

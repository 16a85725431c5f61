#pragma once
// What tests do to processes that are not their children. Called by tests only. Never: waits without a bound.

#include <cstdint>
#include <set>
#include <string>

namespace selvage::tests {

/// Each of its threads has stopped, or it is gone.
[[nodiscard]] bool is_stopped(int pid);

/// Processes below it, zombies included, that are there now.
[[nodiscard]] std::set<int> descendants_of(int ancestor);

/// How often threads gave the processor up, and how often it was taken from them.
struct context_switches {
  std::uint64_t voluntary = 0;
  std::uint64_t involuntary = 0;

  /// `thread`: its folder under /proc; that of a process means its first thread. Returns: zeros where it is gone.
  [[nodiscard]] static context_switches of_thread(const std::string& thread);
  /// Of every thread that it has now.
  [[nodiscard]] static context_switches of_process(int pid);
  [[nodiscard]] std::uint64_t all() const noexcept { return voluntary + involuntary; }
};

/// Stops a process and waits until it has stopped: SIGSTOP takes its time.
void stop_process(int pid);

}  // namespace selvage::tests

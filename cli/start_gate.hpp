#pragma once
// When another job may be started: some time after the one before, while enough memory is free, and while the machine's
// load is low. Called by: run_command.cpp, as run_options::hold_back. Never: ends a job.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace selvage::cli {

struct gate_options {
  std::chrono::nanoseconds delay{0};
  std::uint64_t free_bytes = 0;  ///< 0: whatever is free
  double load = 0;               ///< processes that run or want to; 0: whatever the load is
};

class start_gate {
 public:
  /// `quiet`: says nothing about what it waits for.
  start_gate(const gate_options& options, bool quiet) : options_(options), quiet_(quiet) {}
  [[nodiscard]] bool is_open_always() const noexcept {
    return options_.delay.count() == 0 && options_.free_bytes == 0 && options_.load == 0;
  }

  /// 0: a job is started now. Otherwise how long to wait before asking again.
  [[nodiscard]] std::chrono::nanoseconds ask(std::size_t active);

 private:
  using clock = std::chrono::steady_clock;
  [[nodiscard]] std::string lacking() const;

  gate_options options_;
  bool quiet_;
  bool has_told_ = false;
  clock::time_point next_start_ = clock::time_point::min();
  clock::time_point waits_since_ = clock::time_point::max();
};

}  // namespace selvage::cli

#pragma once
// The options of `selvage run` in their own types, and what is wrong with them. Called by: run_command.cpp.

#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include <selvage/options.hpp>
#include <selvage/run_options.hpp>

#include "input.hpp"
#include "run_command.hpp"
#include "start_gate.hpp"

namespace selvage::cli {

/// What is wrong with the command line.
struct usage_error : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

/// The options in their own types.
struct run_plan {
  input_options items;
  std::vector<std::string> command;
  std::string library, task;  ///< in place of a command
  unsigned jobs = 1;
  std::chrono::nanoseconds timeout{0};
  double timeout_percent = 0;
  gate_options gate;
  pool_options pool;
  retry_options retry;
  halt_options halt;
};

/// Throws usage_error, naming the option.
[[nodiscard]] run_plan plan_of(const run_arguments& given);

/// Which stored failures are outcomes that stay. Throws usage_error.
[[nodiscard]] std::function<bool(errc)> kept_failures(const std::vector<std::string>& retry);

}  // namespace selvage::cli

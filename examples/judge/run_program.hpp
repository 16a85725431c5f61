#pragma once
// Runs one program to its end, with input for it and a bound on what it may say. Called in workers.

#include <cstdint>
#include <string>
#include <vector>

struct run_outcome {
  int start_error = 0;  ///< errno; nothing else counts then
  int exit_status = 0;
  int signal = 0;         ///< that ended it
  bool too_much = false;  ///< it said more than it may, and was ended
  std::uint64_t peak_bytes = 0;
  std::uint64_t cpu_us = 0;
  std::string output{};
  std::string errors{};  ///< the first of what it said there
};

run_outcome run_program(const std::vector<std::string>& arguments, const std::string& input);

#pragma once
// Judges programs that were handed in as C++ source: compiles them, and runs them against test cases in strict workers,
// where they may do nothing but compute, read their input and write their output.

#include <filesystem>
#include <string>
#include <vector>

#include <selvage/selvage.hpp>

#include "run_program.hpp"

struct test_case {
  std::string input;
  std::string wanted;  ///< compared without spaces at the ends of lines, and without empty lines at the end
};

struct judgement {
  std::string verdict;  ///< "accepted", "wrong answer", "time limit", "memory limit", "runtime error", ...
  std::string detail{};
  std::size_t passed = 0;
};

class judge {
 public:
  struct limits {
    std::chrono::nanoseconds cpu{std::chrono::seconds(1)};
    selvage::bytes memory{std::uint64_t{64} << 20};
  };

  /// `folder`: for the compiled programs; the one place that may be executed from.
  judge(std::filesystem::path folder, limits given);

  [[nodiscard]] judgement of(const std::string& name, const std::filesystem::path& source,
                             const std::vector<test_case>& cases);

 private:
  std::filesystem::path folder_;
  limits limits_;
  selvage::task<run_outcome (*)(const std::string&, const std::string&)> compile_, run_;
  selvage::pool pool_;
};

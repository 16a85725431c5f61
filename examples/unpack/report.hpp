#pragma once
// What is printed in the end, and the judgement behind the exit code. Called by main once the three runs are over.

#include <cstddef>
#include <string>
#include <vector>

#include "runs.hpp"

namespace unpack {

struct findings {
  std::size_t equal = 0;           ///< files whose outcome is what zlib gives in this process, its complaints included
  std::size_t different = 0;       ///< files where it is another
  std::size_t failed_rightly = 0;  ///< hostile items that failed for the right reason
  std::size_t hostile = 0;

  [[nodiscard]] bool good() const noexcept { return different == 0 && failed_rightly == hostile && hostile != 0; }
};

/// Compares a run, item by item, with what came out in this process.
[[nodiscard]] findings judge(const std::vector<item>& items, const run& judged, const run& here);

/// The table: items, bytes and times of the three runs, the pool's failures and restarts, and the findings.
void print_report(const std::vector<item>& items, const run& here, const pool_run& pool, const run& forks);

}  // namespace unpack

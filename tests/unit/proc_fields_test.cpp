// Fields of /proc files, and files that look like them.

#include "base/proc_fields.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

namespace selvage {
namespace {

std::optional<std::uint64_t> sum_of(const std::string& content) {
  std::string path = ::testing::TempDir() + "selvage-fields-XXXXXX";
  ::close(::mkstemp(path.data()));
  std::ofstream(path) << content;
  const auto sum = base::proc_bytes(path.c_str(), {"A:", "B:"});
  ::unlink(path.c_str());
  return sum;
}

TEST(proc_fields, are_summed_in_bytes) {
  EXPECT_EQ(sum_of("X:\t1 kB\nA:\t 2 kB\nB:\t 3 kB\n"), 5 * 1024U);
  EXPECT_EQ(sum_of("B: 3 kB"), std::nullopt) << "a line without an end is cut";
  EXPECT_EQ(sum_of("A: x kB\n"), 0U);
  EXPECT_EQ(sum_of("XA: 2 kB\n"), std::nullopt);
  EXPECT_EQ(sum_of(""), std::nullopt);
  EXPECT_EQ(base::proc_bytes("/not/there", {"A:"}), std::nullopt);
}

TEST(proc_fields, are_found_behind_a_line_of_any_length) {
  for (const std::size_t length : {4'094, 4'095, 4'096, 4'097, 8'192, 100'000}) {
    std::string content = "A: 1 kB\n";
    content.append(length, 'A').append("\nB: 2 kB\n");
    EXPECT_EQ(sum_of(content), 3 * 1024U) << length;
  }
}

TEST(proc_fields, of_this_process_are_there) {
  EXPECT_GT(base::proc_bytes("/proc/self/status", {"VmData:"}).value_or(0), 4'096U);
}

}  // namespace
}  // namespace selvage

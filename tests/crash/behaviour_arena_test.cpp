// A fixed arena is reserved when the pool is built: for arguments and for results alike (DESIGN D10).

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "tests/support/pool_fixture.hpp"

namespace selvage::test {
namespace {

class arenas : public pool_survives {};

const auto make = task("make", [](std::uint64_t size) { return std::string(size, 'x'); });

std::size_t reserved_bytes_of_segment() {
  std::error_code gone;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const auto target = std::filesystem::read_symlink(entry.path(), gone).string();
    struct stat file {};
    if (target.starts_with("/dev/shm/selvage-") && ::stat(entry.path().c_str(), &file) == 0)
      return static_cast<std::size_t>(file.st_blocks) * 512;
  }
  return 0;
}

TEST_F(arenas, a_fixed_arena_is_reserved_for_arguments_and_for_results) {
  pool pool(watched({.workers = 2, .arena = {.maximum = 4_MiB, .growable = false}}), make, add);
  EXPECT_GE(reserved_bytes_of_segment(), 2U * 2U * (4U << 20U));
  EXPECT_EQ(pool.call(make, 500'000).get().size(), 500'000U);
  expect_usable(pool);
}

}  // namespace
}  // namespace selvage::test

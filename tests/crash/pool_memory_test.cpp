// A memory limit at the pool's level: one call pays for what one task used.

#include <vector>

#include "tests/support/pool_fixture.hpp"

namespace selvage::test {
namespace {

using pool_memory = pool_survives;

constexpr std::size_t mebibyte = 1U << 20U;

// Leaks on purpose: the worker stays as full as it was at the failed allocation.
const auto leak = task("leak", [](std::uint64_t) -> std::uint64_t {
  for (std::uint64_t held = 0;; held += mebibyte) {
    volatile char* const block = new char[mebibyte];
    for (std::size_t at = 0; at < mebibyte; at += 4096) block[at] = 1;
  }
});
const auto honest = task("honest", [](std::uint64_t n) {
  const std::vector<std::uint64_t> block(4 * mebibyte / sizeof n, n);
  return block.back();
});

TEST_F(pool_memory, what_a_task_leaked_never_counts_against_the_next_call) {
  pool pool(watched({.workers = 2, .memory = 64_MiB}), leak, honest);
  std::vector<future<std::uint64_t>> leaks;
  std::vector<future<std::uint64_t>> calls;
  for (std::uint64_t n = 0; n < 300; ++n) {
    if (n % 60 == 30) leaks.push_back(pool.call(leak, n));
    calls.push_back(pool.call(honest, n));
  }
  for (std::uint64_t n = 0; n < calls.size(); ++n) EXPECT_EQ(calls[n].get(), n);
  for (auto& call : leaks) {
    const auto outcome = call.result();
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code(), errc::out_of_memory);
  }
}

}  // namespace
}  // namespace selvage::test

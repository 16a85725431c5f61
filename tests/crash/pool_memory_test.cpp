// A memory limit at the pool's level: one call pays for what one task used.

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <fstream>
#include <new>
#include <string>
#include <vector>

#include "tests/support/pool_fixture.hpp"
#include "tests/support/shared_words.hpp"

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

// Each call leaks a sixteenth of the limit: no call is to be the one that finds nothing left.
TEST_F(pool_memory, what_calls_leak_little_by_little_costs_workers_and_no_call) {
  const auto drip = task("drip", [](std::uint64_t n) {
    volatile char* const block = new char[4 * mebibyte];
    for (std::size_t at = 0; at < 4 * mebibyte; at += 4096) block[at] = 1;
    const std::vector<std::uint64_t> half(32 * mebibyte / sizeof n, n);
    return half.back();
  });
  pool pool(watched({.workers = 2, .memory = 64_MiB}), drip);
  for (std::uint64_t n = 0; n < 60; ++n) EXPECT_EQ(pool.call(drip, n).get(), n);
  EXPECT_GE(pool.stats().restarts.recycled_memory, 6U);
  EXPECT_EQ(pool.stats().moved, 0U) << "one call at a time";
}

// malloc keeps what was freed for the next allocation: that is not lost.
TEST_F(pool_memory, memory_that_was_given_back_costs_no_worker) {
  const auto pieces = task("pieces", [](std::uint64_t n) {
    std::vector<std::vector<char>> all(10'000, std::vector<char>(4096, 'x'));
    return all.size() + n;
  });
  const auto short_one = task("short_one", [](std::uint64_t n) { return n; });
  pool pool(watched({.workers = 1, .memory = 96_MiB}), pieces, short_one);
  for (std::uint64_t n = 0; n < 40; ++n) EXPECT_EQ(pool.call(pieces, n).get(), 10'000 + n);
  for (std::uint64_t n = 0; n < 1000; ++n) EXPECT_EQ(pool.call(short_one, n).get(), n);
  EXPECT_EQ(pool.stats().lanes[0].epoch, 1U);
}

// An initializer's memory is the worker's own: it is there at every call.
TEST_F(pool_memory, what_the_initializer_takes_is_not_taken_for_a_leak) {
  pool pool(
      watched({.workers = 1, .memory = 64_MiB, .initializer = [] { (void)new std::vector<char>(40 * mebibyte, 'x'); }}),
      honest);
  for (std::uint64_t n = 0; n < 200; ++n) EXPECT_EQ(pool.call(honest, n).get(), n);
  EXPECT_EQ(pool.stats().lanes[0].epoch, 1U);
}

rlim_t data_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmData:")) return std::stoull(line.substr(line.find(':') + 1)) * 1024;
  }
  return 0;
}

// A call is taken back from behind a long one for an idle worker, which takes as much memory as its arguments.
TEST_F(pool_memory, a_call_that_the_host_has_no_memory_to_move_fails_alone) {
  const gate gate;
  const auto held = task("held", [&gate] { gate.pass(); });
  const auto length = task("length", [](std::string_view text) { return text.size(); });
  pool pool({.workers = 2, .balancer = balance::round_robin, .depth = {.window = std::chrono::hours(1)}}, held, length);
  auto busy = pool.call(held);
  const std::string small = "small";
  const std::string large(8 * mebibyte, 'x');
  EXPECT_EQ(pool.call(length, small).get(), 5U);  // on the other worker
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_DATA, &before), 0);
  auto moved = pool.call(length, large);
  const rlimit tight{.rlim_cur = data_bytes() + mebibyte, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_DATA, &tight), 0);
  const auto outcome = moved.result();
  ASSERT_EQ(::setrlimit(RLIMIT_DATA, &before), 0);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code(), errc::out_of_memory);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(pool.call(length, small).get(), 5U);
  gate.open();
  busy.get();
}

}  // namespace
}  // namespace selvage::test

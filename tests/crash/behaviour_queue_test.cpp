// The queue in the host: calls leave it in the order in which they came, and an aborted one leaves nothing behind.

#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/pool_fixture.hpp"
#include "tests/support/shared_words.hpp"

namespace selvage::test {
namespace {

class queueing : public pool_survives {};

// A large payload is copied into its lane outside the lock, and takes milliseconds for it.
TEST_F(queueing, a_small_call_does_not_overtake_a_large_one_that_left_the_queue_before_it) {
  const std::string large(8U << 20U, 'x');
  for (int round = 0; round < 10; ++round) {
    const gate gate;
    const auto number = task("number", [&gate, next = 0](std::string_view) mutable {
      gate.pass();
      return next++;
    });
    pool pool(watched({.workers = 1, .arena = {.initial = 16_MiB}, .depth = {.maximum = 3, .window = 1h}}), number);
    std::vector<future<int>> calls;
    for (int i = 0; i < 3; ++i) calls.push_back(pool.call(number, ""));
    calls.push_back(pool.call(number, large));
    gate.open();
    while (pool.stats().queued != 0) {
    }
    calls.push_back(pool.call(number, ""));
    for (int i = 0; i < 5; ++i) ASSERT_EQ(calls[static_cast<std::size_t>(i)].get(), i);
  }
}

std::size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t all = 0;
  std::size_t resident = 0;
  file >> all >> resident;
  return resident * 4096;
}

TEST_F(queueing, nothing_is_kept_of_aborted_calls_while_the_first_one_waits) {
  const gate gate;
  const auto length = task("length", [](std::string_view text) { return text.size(); });
  const auto held = task("held", [&gate] { gate.pass(); });
  pool pool(watched({.workers = 1, .depth = {.maximum = 1}}), held, length);
  const std::string large(1U << 20U, 'x');
  auto busy = pool.call(held);
  auto first = pool.call(length, "first");
  const std::size_t before = resident_bytes();
  for (int i = 0; i < 500; ++i) (void)pool.call(length, large);  // dropped, so aborted
  EXPECT_LT(resident_bytes(), before + (100U << 20U));
  EXPECT_EQ(pool.stats().queued, 1U);
  gate.open();
  busy.get();
  EXPECT_EQ(first.get(), 5U);
}

}  // namespace
}  // namespace selvage::test

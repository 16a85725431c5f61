// Waiting for a bounded time: it gets on however short it is, and it ends however busy the pool is.

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/support/pool_fixture.hpp"
#include "tests/support/shared_words.hpp"

namespace selvage::test {
namespace {

class waiting : public pool_survives {
 protected:
  const gate gate_;
  const task<std::function<int()>> held_{"held", [this] {
                                           gate_.pass();
                                           return 1;
                                         }};
};

TEST_F(waiting, a_loop_over_wait_for_zero_makes_progress) {
  pool pool(watched({.workers = 1}), add);
  for (int i = 0; i < 20; ++i) {
    auto sum = pool.call(add, i, 1);
    while (!sum.wait_for(0s)) {
    }
    EXPECT_EQ(sum.get(), i + 1);
    auto other = pool.call(add, i, 2);
    while (!other.wait_for(-1s)) {
    }
    EXPECT_EQ(other.get(), i + 2);
  }
}

TEST_F(waiting, wait_for_zero_on_the_inline_lane_makes_progress) {
  pool pool(watched({.workers = 1, .inline_lane = {.where = inline_options::position::first}}), add);
  auto sum = pool.call(add, 1, 2);
  while (!sum.wait_for(0s)) {
  }
  EXPECT_EQ(sum.get(), 3);
}

TEST_F(waiting, wait_for_ends_while_others_keep_the_pool_busy) {
  pool pool(watched({.workers = 2}), add, held_);
  auto held = pool.call(held_);
  std::atomic<bool> over{false};
  std::vector<std::thread> callers;
  for (int i = 0; i < 2; ++i) {
    callers.emplace_back([&] {
      while (!over) {
        std::vector<future<int>> sums;
        for (int k = 0; k < 64; ++k) sums.push_back(pool.call(add, k, 1));
        for (auto& sum : sums) sum.get();
      }
    });
  }
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(held.wait_for(1ms));
  over = true;
  for (std::thread& each : callers) each.join();
  gate_.open();
  EXPECT_EQ(held.get(), 1);
}

}  // namespace
}  // namespace selvage::test

// DESIGN D9: no call waits behind a running one while another worker is idle, whatever the balancer's rule, and whoever
// collects or does not.

#include <gmock/gmock.h>

#include <atomic>
#include <memory>
#include <thread>

#include "tests/support/pool_fixture.hpp"
#include "tests/support/shared_words.hpp"

namespace selvage::test {
namespace {

class behind_a_long_call : public pool_survives, public ::testing::WithParamInterface<balance> {
 protected:
  /// The long call is on one of the two workers; half of the others are posted behind it.
  void start() {
    pool_ = std::make_unique<pool>(watched({.workers = 2, .balancer = GetParam(), .depth = {.window = 1h}}), add, held_,
                                   count_);
    long_ = pool_->call(held_);
    ASSERT_TRUE(holds_in_the_end([&] { return gate_.arrived() == 1; }));
  }
  void TearDown() override {
    gate_.open();
    EXPECT_EQ(long_.get(), 1);
    pool_.reset();
    pool_survives::TearDown();
  }
  const gate gate_;
  const task<std::function<int()>> held_{"held", [this] {
                                           gate_.pass();
                                           return 1;
                                         }};
  const shared_words ran_{1};
  const task<std::function<void()>> count_{"count", [this] { ran_[0].fetch_add(1); }};
  std::unique_ptr<pool> pool_;
  future<int> long_;
};

TEST_P(behind_a_long_call, a_short_one_reaches_the_idle_worker_when_it_is_waited_for) {
  start();
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(pool_->call(add, i, 1).get(), i + 1);
    ::usleep(1000);
  }
}

TEST_P(behind_a_long_call, a_short_one_reaches_the_idle_worker_though_the_collector_sleeps) {
  start();
  std::thread collector([&] { long_.wait(); });
  ::usleep(10'000);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(pool_->call(add, i, 1).get(), i + 1);
    ::usleep(1000);
  }
  gate_.open();
  collector.join();
}

TEST_P(behind_a_long_call, a_short_one_runs_though_nobody_waits_for_it) {
  start();
  for (std::uint64_t i = 0; i < 10; ++i) {
    auto call = pool_->call(count_);
    EXPECT_TRUE(holds_in_the_end([&] { return ran_[0] == i + 1; }));
    call.get();
  }
}

TEST_P(behind_a_long_call, a_callback_is_called) {
  start();
  std::atomic<int> called{0};
  for (int i = 0; i < 10; ++i) {
    pool_->call(add, i, 1).then([&](const auto&) { ++called; });
    ASSERT_TRUE(holds_in_the_end([&] { return called == i + 1; }));
  }
}

INSTANTIATE_TEST_SUITE_P(every_rule, behind_a_long_call,
                         ::testing::Values(balance::first_idle, balance::round_robin, balance::random,
                                           balance::first_idle_or_random));

}  // namespace
}  // namespace selvage::test

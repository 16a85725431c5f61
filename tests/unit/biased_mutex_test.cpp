// Proves pool/biased_mutex.hpp: never two inside, whoever has the bias, and nobody left waiting.

#include "pool/biased_mutex.hpp"

#include <gtest/gtest.h>

#include <sched.h>

#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

namespace {

using selvage::host::biased_mutex;
using selvage::shm::fences;

class biased_mutex_in : public ::testing::TestWithParam<fences> {
 protected:
  static fences mode() {
    return GetParam() == fences::asymmetric ? selvage::shm::register_for_heavy_fences() : fences::symmetric;
  }
};

INSTANTIATE_TEST_SUITE_P(each, biased_mutex_in, ::testing::Values(fences::symmetric, fences::asymmetric),
                         [](const auto& which) {
                           return which.param == fences::asymmetric ? "asymmetric" : "symmetric";
                         });

TEST_P(biased_mutex_in, one_thread_gets_in_as_often_as_it_likes) {
  biased_mutex lock(mode());
  std::uint64_t turns = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::unique_lock held(lock);
    ++turns;
  }
  EXPECT_EQ(turns, 1000U);
}

// The counter is no atomic: a lost turn is a lost exclusion.
TEST_P(biased_mutex_in, many_threads_are_never_inside_together) {
  constexpr int threads = 4;
  constexpr int turns = 20'000;
  biased_mutex lock(mode());
  std::uint64_t count = 0;
  std::atomic<int> inside{0};
  {
    std::vector<std::jthread> all;
    for (int t = 0; t < threads; ++t) {
      all.emplace_back([&, t] {
        for (int i = 0; i < turns; ++i) {
          {
            const std::unique_lock held(lock);
            EXPECT_EQ(inside.fetch_add(1, std::memory_order_relaxed), 0);
            ++count;
            EXPECT_EQ(inside.fetch_sub(1, std::memory_order_relaxed), 1);
          }
          // Runs of turns, so that each has the bias now and then, and loses it.
          if (i % (100 + 37 * t) == 0) ::sched_yield();
        }
      });
    }
  }
  EXPECT_EQ(count, static_cast<std::uint64_t>(threads) * turns);
}

// The pool's pattern: one thread all the time, another now and then.
TEST_P(biased_mutex_in, a_bias_is_taken_away_and_given_again) {
  constexpr std::uint64_t wanted_visits = 100;
  biased_mutex lock(mode());
  std::uint64_t count = 0;
  std::atomic<std::uint64_t> visits{0};
  std::jthread visitor([&] {
    for (std::uint64_t i = 0; i < wanted_visits; ++i) {
      {
        const std::unique_lock held(lock);
        ++count;
      }
      visits.fetch_add(1, std::memory_order_relaxed);
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
  });
  std::uint64_t turns = 0;
  for (; visits.load(std::memory_order_relaxed) != wanted_visits; ++turns) {
    const std::unique_lock held(lock);
    ++count;
  }
  visitor.join();
  EXPECT_EQ(count, turns + wanted_visits);
}

TEST_P(biased_mutex_in, an_owner_that_ended_keeps_nobody_out) {
  biased_mutex lock(mode());
  for (int round = 0; round < 20; ++round) {
    std::jthread([&] {
      for (int i = 0; i < 100; ++i) {
        const std::unique_lock held(lock);
      }
    }).join();
    const std::unique_lock held(lock);
  }
}

}  // namespace

// Proves pool/biased_mutex.hpp: never two inside, whoever has the bias, and nobody left waiting.

#include "pool/biased_mutex.hpp"

#include <gtest/gtest.h>

#include <sched.h>
#include <time.h>
#include <ucontext.h>

#include <atomic>
#include <barrier>
#include <csignal>
#include <cstdio>
#include <mutex>
#include <thread>
#include <vector>

#include "shm/doorbell.hpp"

namespace {

using selvage::host::biased_mutex;
using selvage::shm::fences;

class biased_mutex_in : public ::testing::TestWithParam<fences> {
 protected:
  void SetUp() override {
    if (GetParam() == fences::asymmetric && selvage::shm::register_for_heavy_fences() != fences::asymmetric)
      GTEST_SKIP() << "no membarrier(2) here: it is always a plain mutex";
  }
  static fences mode() { return GetParam(); }
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

#if defined(__x86_64__)
// A thread that is stopped after its k-th instruction, for as long as it takes another thread to have the bias and to
// be inside by it. The trap flag makes the processor raise SIGTRAP after every instruction.
namespace stepping {
constexpr greg_t trap_flag = 0x100;
std::atomic<int> steps_left{0};
std::atomic<bool> stopped{false};
std::atomic<bool> visitor_inside{false};  // the other one is inside, and stays there for a while

void step(int, siginfo_t*, void* context) {
  if (steps_left.fetch_sub(1) != 1) return;
  constexpr int longest = 250;  // naps: where this thread itself is inside, nobody else gets in
  stopped.store(true);
  for (int naps = 0; naps < longest && !visitor_inside.load(); ++naps) {
    const ::timespec nap{0, 20'000};
    ::nanosleep(&nap, nullptr);
  }
  stopped.store(false);
  static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_EFL] &= ~trap_flag;
}

void begin(int steps) {
  steps_left.store(steps);
  asm volatile("leaq -128(%%rsp), %%rsp\n\tpushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\tleaq 128(%%rsp), %%rsp" ::
                   : "cc", "memory");
}

// Returns: whether there were fewer instructions than steps.
bool end() {
  asm volatile("leaq -128(%%rsp), %%rsp\n\tpushfq\n\tandq $~0x100, (%%rsp)\n\tpopfq\n\tleaq 128(%%rsp), %%rsp" ::
                   : "cc", "memory");
  return steps_left.load() > 0;
}
}  // namespace stepping

// It may have been on its way in, believing that it has the bias.
TEST_P(biased_mutex_in, an_owner_stopped_after_any_instruction_disturbs_nobody_when_it_goes_on) {
  struct ::sigaction on_trap = {};
  struct ::sigaction before = {};
  on_trap.sa_sigaction = stepping::step;
  on_trap.sa_flags = SA_SIGINFO;
  ASSERT_EQ(::sigaction(SIGTRAP, &on_trap, &before), 0);
  biased_mutex lock(mode());
  int met = 0;
  std::atomic<int> visits{0};  // during a stop
  std::atomic<bool> over{false};
  using stepping::visitor_inside;
  std::jthread visitor([&] {
    while (!over.load()) {
      if (!stepping::stopped.load()) continue;
      for (unsigned turn = 0; turn <= biased_mutex::turns_for_bias + 1; ++turn) {
        const std::unique_lock held(lock);
      }
      const std::unique_lock held(lock);
      visitor_inside.store(true);
      visits.fetch_add(stepping::stopped.load() ? 1 : 0);
      while (stepping::stopped.load()) selvage::shm::spin_pause();
      std::this_thread::sleep_for(std::chrono::microseconds(200));  // the stopped one comes in now, if it can
      visitor_inside.store(false);
    }
  });
  bool all_seen = false;
  int steps = 0;
  while (!all_seen && ++steps < 10'000) {
    for (unsigned turn = 0; turn <= biased_mutex::turns_for_bias + 1; ++turn) {
      const std::unique_lock held(lock);
    }
    stepping::begin(steps);
    lock.lock();
    all_seen = stepping::end();
    met += visitor_inside.load() ? 1 : 0;
    lock.unlock();
  }
  over.store(true);
  visitor.join();
  EXPECT_TRUE(all_seen);
  EXPECT_EQ(met, 0);
  EXPECT_GT(visits.load(), 0) << "nobody was inside while the owner was stopped: nothing was tried";
  std::printf("stopped after each of %d instructions, %d times with the other one inside\n", steps - 1, visits.load());
  ASSERT_EQ(::sigaction(SIGTRAP, &before, nullptr), 0);
}
#endif

// All of them alive, each with a run of turns that would earn it the bias.
TEST_P(biased_mutex_in, more_threads_than_can_be_preferred_take_turns) {
  constexpr int threads = static_cast<int>(biased_mutex::most_preferred) + 4;
  constexpr int rounds = 200;
  constexpr int turns = static_cast<int>(biased_mutex::turns_for_bias) + 4;
  biased_mutex lock(mode());
  std::uint64_t count = 0;
  std::atomic<int> inside{0};
  std::atomic<int> met{0};
  std::barrier together(threads);
  {
    std::vector<std::jthread> all;
    for (int t = 0; t < threads; ++t) {
      all.emplace_back([&, t] {
        const auto run_of_turns = [&] {
          for (int i = 0; i < turns; ++i) {
            const std::unique_lock held(lock);
            if (inside.fetch_add(1, std::memory_order_relaxed) != 0) met.fetch_add(1, std::memory_order_relaxed);
            ++count;
            if (i == turns - 2) ::sched_yield();
            inside.fetch_sub(1, std::memory_order_relaxed);
          }
        };
        for (int k = 0; k < threads; ++k) {
          if (k == t) run_of_turns();
          together.arrive_and_wait();
        }
        for (int round = 0; round < rounds; ++round) {
          run_of_turns();
          ::sched_yield();
        }
      });
    }
  }
  EXPECT_EQ(met.load(), 0);
  EXPECT_EQ(count, static_cast<std::uint64_t>(threads) * turns * (rounds + 1));
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

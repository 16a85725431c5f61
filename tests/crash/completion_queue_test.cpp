// Calls whose outcomes are taken as they come, by one thread.

#include <gmock/gmock.h>

#include <map>
#include <stdexcept>
#include <thread>

#include "tests/support/child.hpp"
#include "tests/support/pool_fixture.hpp"
#include "tests/support/shared_words.hpp"

namespace selvage::test {
namespace {

using ::testing::AnyOf;
using ::testing::ElementsAre;
class completion_queues : public pool_survives {};

const auto square = task("square", [](int n) { return n * n; });
const auto fail = task("fail", [](int n) -> int { throw std::runtime_error("not " + std::to_string(n)); });
const auto sleep_then = task("sleep_then", [](int ms) {
  ::usleep(static_cast<useconds_t>(ms) * 1000);
  return ms;
});
const auto die = task("die", []() -> int {
  ::raise(SIGKILL);
  return 0;
});
const auto hold = task("hold", [](abort_signal stop) { return stop.wait_for(20s) ? 1 : 0; });
constexpr int never_begun = -static_cast<int>(errc::aborted);  // what it comes to where it is aborted too soon

/// What a call came to, as a number: its value, or the negative of its errc.
int outcome_of(const tl::expected<int, error>& result) {
  return result ? *result : -static_cast<int>(result.error().code());
}

template <class T>
std::vector<int> drain(completion_queue<T>& done) {
  std::vector<int> outcomes;
  while (done.size() != 0) {
    done.wait();
    while (auto next = done.pop()) outcomes.push_back(outcome_of(next->result));
  }
  return outcomes;
}

TEST_F(completion_queues, give_each_call_once) {
  pool pool(watched({.workers = 2}), square);
  completion_queue<int> done(pool);
  std::map<std::uint32_t, int> expected;
  int next_number = 0;
  int popped = 0;
  while (popped < 2000) {
    while (done.size() < 100 && next_number < 2000) {
      const int n = next_number++;
      const std::uint32_t ticket = done.add(pool.call(square, n));
      ASSERT_LT(ticket, 100U) << "tickets are used again";
      ASSERT_TRUE(expected.emplace(ticket, n * n).second);
    }
    done.wait();
    while (auto next = done.pop()) {
      ASSERT_EQ(next->result.value(), expected.at(next->ticket));
      expected.erase(next->ticket);
      ++popped;
    }
  }
  EXPECT_EQ(done.size(), 0U);
  EXPECT_FALSE(done.pop());
}

TEST_F(completion_queues, give_what_settles_first_first) {
  const gate gate;
  const auto held = task("held", [&gate] {
    gate.pass();
    return 1;
  });
  pool pool(watched({.workers = 2}), held, square);
  completion_queue<int> done(pool);
  const std::uint32_t last = done.add(pool.call(held));
  std::vector<std::uint32_t> order{done.add(pool.call(square, 2)), done.add(pool.call(square, 3))};
  for (const std::uint32_t ticket : order) {
    done.wait();
    EXPECT_EQ(done.pop()->ticket, ticket);
  }
  EXPECT_FALSE(done.pop());
  gate.open();
  done.wait();
  EXPECT_EQ(done.pop()->ticket, last);
}

TEST_F(completion_queues, give_failures_as_errors) {
  pool pool(watched({.workers = 1}), add, square, fail, die);
  completion_queue<int> done(pool);
  done.add(pool.call(fail, 1));
  EXPECT_THAT(drain(done), ElementsAre(-static_cast<int>(errc::task_failed)));
  done.add(pool.call(die));
  EXPECT_THAT(drain(done), ElementsAre(-static_cast<int>(errc::crashed)));
  auto settled = pool.call(square, 3);
  settled.wait();
  done.add(std::move(settled));
  EXPECT_THAT(drain(done), ElementsAre(9));
  expect_usable(pool);
}

TEST_F(completion_queues, wait_no_longer_than_they_may) {
  pool pool(watched({.workers = 1}), hold);
  completion_queue<int> done(pool);
  done.wait_for(0s);
  const std::uint32_t ticket = done.add(pool.call(hold));
  done.wait_for(10ms);
  EXPECT_FALSE(done.pop());
  done.abort(ticket);
  EXPECT_THAT(drain(done), ElementsAre(AnyOf(1, never_begun)));
}

TEST_F(completion_queues, are_woken_by_another_thread) {
  pool pool(watched({.workers = 1}), hold, square);
  completion_queue<int> done(pool);
  done.notify();
  done.wait();  // told before it waited
  const std::uint32_t ticket = done.add(pool.call(hold));
  for (int round = 0; round < 20; ++round) {
    std::jthread other([&] {
      if (round % 2 == 0) ::usleep(2000);
      done.notify();
    });
    done.wait();
    EXPECT_FALSE(done.pop());
  }
  done.abort(ticket);
  (void)drain(done);
}

TEST_F(completion_queues, are_woken_beside_another_collector) {
  pool pool(watched({.workers = 2}), hold, sleep_then);
  auto held = pool.call(hold);
  std::jthread collector([&held] { held.wait(); });
  ::usleep(20'000);
  completion_queue<int> done(pool);
  for (int round = 0; round < 20; ++round) {
    done.add(pool.call(sleep_then, round % 3));
    EXPECT_THAT(drain(done), ElementsAre(round % 3));
    std::jthread other([&] { done.notify(); });
    done.wait();
  }
  held.abort();
}

TEST_F(completion_queues, of_several_threads_share_a_pool) {
  pool pool(watched({.workers = 2}), square);
  std::vector<std::jthread> crowd;
  std::atomic<int> right{0};
  for (int t = 0; t < 3; ++t) {
    crowd.emplace_back([&] {
      completion_queue<int> done(pool);
      for (int round = 0; round < 100; ++round) {
        for (int i = 0; i < 10; ++i) done.add(pool.call(square, i));
        std::vector<int> outcomes = drain(done);
        std::ranges::sort(outcomes);
        if (outcomes == std::vector<int>{0, 1, 4, 9, 16, 25, 36, 49, 64, 81}) ++right;
      }
    });
  }
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(pool.call(square, i).get(), i * i);
  crowd.clear();
  EXPECT_EQ(right, 300);
}

TEST_F(completion_queues, abort_what_is_left_in_them) {
  const tests::shared_array<std::atomic<std::uint64_t>> told(1);
  const auto until_aborted = task("until_aborted", [&told](abort_signal stop) {
    if (stop.wait_for(20s)) told[0] = 1;
    return 0;
  });
  pool pool(watched({.workers = 1}), until_aborted, square);
  {
    completion_queue<int> done(pool);
    done.add(pool.call(until_aborted));
    ::usleep(20'000);
    done.add(pool.call(square, 1));  // behind it
  }
  EXPECT_EQ(pool.call(square, 3).get(), 9);
  EXPECT_EQ(told[0], 1U);
}

TEST_F(completion_queues, outlive_their_pool) {
  std::optional<pool> pool(std::in_place, watched({.workers = 1}), hold);
  completion_queue<int> done(*pool);
  for (int i = 0; i < 3; ++i) done.add(pool->call(hold));
  std::jthread other([&] {
    ::usleep(20'000);
    pool.reset();
  });
  EXPECT_THAT(drain(done), ::testing::Each(-static_cast<int>(errc::pool_closed)));
  other.join();
  done.wait_for(1ms);
  done.notify();
  done.wait();
}

TEST_F(completion_queues, end_in_a_forked_child) {
  pool pool(watched({.workers = 1}), hold, square);
  completion_queue<int> done(pool);
  const std::uint32_t ticket = done.add(pool.call(hold));
  tests::child child([&] {
    done.add(pool.call(square, 1));
    const std::vector<int> outcomes = drain(done);
    return outcomes == std::vector<int>(2, -static_cast<int>(errc::pool_closed)) ? 0 : 1;
  });
  EXPECT_EQ(child.exit_status(), 0);
  done.abort(ticket);
  EXPECT_THAT(drain(done), ElementsAre(AnyOf(1, never_begun)));
}

TEST_F(completion_queues, run_calls_of_the_inline_lane) {
  pool pool(watched({.workers = 1, .inline_lane = {.where = inline_options::position::first}}), square);
  completion_queue<int> done(pool);
  // A caller that the machine keeps from waiting for some milliseconds leaves its calls to the workers.
  EXPECT_TRUE(holds_in_the_end([&] {
    for (int i = 0; i < 20; ++i) done.add(pool.call(square, 2));
    EXPECT_THAT(drain(done), ::testing::AllOf(::testing::SizeIs(20), ::testing::Each(4)));
    return pool.stats().ran_inline != 0;
  }));
}

}  // namespace
}  // namespace selvage::test

// Answers that come together while the workers have more to do: for whom, until when, and what ends it.

#include <sched.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdlib>
#include <deque>
#include <thread>
#include <vector>

#include "tests/support/pool_fixture.hpp"
#include "tests/support/shared_words.hpp"

namespace selvage::test {
namespace {

constexpr unsigned held = 0;

class gathering : public pool_survives {
 protected:
  /// Sleeps so long; `held`: until the gate is open.
  static auto nap_or(const gate& gate) {
    return task("nap", [&gate](unsigned us) {
      if (us == held) {
        gate.pass();
      } else {
        ::usleep(us);
      }
      return static_cast<int>(us);
    });
  }
  pool_options gathers(std::chrono::nanoseconds longest, unsigned workers) {
    return watched({.workers = workers, .depth = {.window = 50ms, .gather = longest}});
  }
  static auto spin_for() {
    return task("spin", [](unsigned us) {
      const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(us);
      while (std::chrono::steady_clock::now() < end) {
      }
      return static_cast<int>(us);
    });
  }
  /// The pool knows then how long they take.
  template <class Task>
  static void learn(pool& pool, const Task& nap, unsigned us) {
    for (int i = 0; i < 30; ++i) (void)pool.call(nap, us).get();
  }
  template <class Task>
  static void add(completion_queue<int>& done, pool& pool, const Task& nap, unsigned us, int calls) {
    for (int i = 0; i < calls; ++i) done.add(pool.call(nap, us));
  }
  static int drain(completion_queue<int>& done) {
    int came = 0;
    while (done.size() != 0) {
      done.wait();
      while (auto next = done.pop()) came += next->result ? 1 : 0;
    }
    return came;
  }
  /// Takes so many and whatever is there with the last of them. Returns: how many.
  static int take(completion_queue<int>& done, int calls) {
    int came = 0;
    while (came < calls) {
      done.wait();
      while (done.pop()) ++came;
    }
    return came;
  }
  /// Keeps so many in flight until all are done, and pauses before each wait. Returns: how often it waited.
  template <class Task>
  static int waits_for(pool& pool, const Task& task, unsigned us, int calls, std::size_t in_flight, unsigned pause_us) {
    completion_queue<int> done(pool);
    int waits = 0;
    for (int made = 0, came = 0; came < calls; ++waits) {
      for (; made < calls && done.size() < in_flight; ++made) done.add(pool.call(task, us));
      if (pause_us != 0) ::usleep(pause_us);
      done.wait();
      while (auto next = done.pop()) came += next->result ? 1 : 0;
    }
    return waits;
  }
  template <class Task>
  static std::vector<future<int>> calls_of(pool& pool, const Task& nap, unsigned us, int calls) {
    std::vector<future<int>> made;
    for (int i = 0; i < calls; ++i) made.push_back(pool.call(nap, us));
    return made;
  }
  /// Of this thread: how often it slept.
  static long switches() {
    rusage used{};
    ::getrusage(RUSAGE_THREAD, &used);
    return used.ru_nvcsw;
  }
  const gate gate_;
};

TEST_F(gathering, wakes_its_thread_once_for_many_answers) {
  const auto nap = nap_or(gate_);
  pool pool(gathers(1s, 1), nap);
  learn(pool, nap, 300);
  completion_queue<int> done(pool);
  const long before = switches();
  constexpr int calls = 500;
  add(done, pool, nap, 300, calls);
  EXPECT_EQ(drain(done), calls);
  EXPECT_LT(switches() - before, calls / 4);
}

TEST_F(gathering, lets_answers_that_are_there_already_wait_for_more) {
  const auto nap = nap_or(gate_);
  pool pool(gathers(1s, 1), nap);
  learn(pool, nap, 300);
  constexpr int calls = 500;
  EXPECT_LT(waits_for(pool, nap, 300, calls, 60, 400), calls / 4) << "in each pause one answer comes";
}

// Each notice ends a wait: the next one must not begin to gather anew with what the last one left.
TEST_F(gathering, is_not_put_off_for_ever_by_notices) {
  const auto nap = nap_or(gate_);
  pool pool(gathers(20ms, 1), nap);
  learn(pool, nap, 1000);
  completion_queue<int> done(pool);
  add(done, pool, nap, 1000, 2);
  add(done, pool, nap, held, 1);
  add(done, pool, nap, 1000, 20);
  std::jthread other([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      ::usleep(200);
      done.notify();
    }
  });
  take(done, 2);  // the gate is closed
  other.request_stop();
  other.join();
  gate_.open();
  EXPECT_EQ(drain(done), 21);
}

TEST_F(gathering, short_calls_come_by_the_half_of_what_a_lane_holds) {
  const auto spin = spin_for();
  pool pool(gathers(1s, 1), spin);
  learn(pool, spin, 2);
  constexpr int calls = 20'000;
  EXPECT_LT(waits_for(pool, spin, 2, calls, 64, 0), calls / 10);
}

TEST_F(gathering, lets_no_answer_lie_behind_a_call_that_takes_longer_than_was_thought) {
  const auto nap = nap_or(gate_);
  pool pool(gathers(5ms, 1), nap);
  learn(pool, nap, 1000);
  completion_queue<int> done(pool);
  add(done, pool, nap, 1000, 2);
  add(done, pool, nap, held, 1);
  add(done, pool, nap, 1000, 20);
  take(done, 2);  // the gate is closed
  gate_.open();
  EXPECT_EQ(drain(done), 21);
}

TEST_F(gathering, ends_where_another_thread_waits_for_a_call_of_its_own) {
  const auto nap = nap_or(gate_);
  pool pool(gathers(1s, 1), nap);
  learn(pool, nap, 1000);
  completion_queue<int> done(pool);
  std::jthread other([&, mine = pool.call(nap, 1000)]() mutable {
    ::usleep(2000);  // the other one has begun to wait, most times
    EXPECT_EQ(mine.get(), 1000);
    gate_.open();
  });
  add(done, pool, nap, held, 1);  // whoever waits for the end of it waits for the other thread
  add(done, pool, nap, 1000, 20);
  EXPECT_EQ(drain(done), 21);
}

TEST_F(gathering, ends_where_a_callback_is_to_be_told) {
  const auto nap = nap_or(gate_);
  pool pool(gathers(1s, 1), nap);
  learn(pool, nap, 1000);
  completion_queue<int> done(pool);
  auto mine = pool.call(nap, 1000);
  add(done, pool, nap, held, 1);
  add(done, pool, nap, 1000, 20);
  std::jthread other([&] {
    ::usleep(2000);
    mine.then([&](tl::expected<int, error>&&) { gate_.open(); });
  });
  EXPECT_EQ(drain(done), 21);
}

TEST_F(gathering, ends_with_a_notice_and_with_the_time) {
  const auto nap = nap_or(gate_);
  pool pool(gathers(1s, 1), nap);
  learn(pool, nap, 1000);
  completion_queue<int> done(pool);
  add(done, pool, nap, held, 1);
  add(done, pool, nap, 1000, 20);
  done.wait_for(3ms);
  EXPECT_FALSE(done.pop());
  std::jthread other([&] {
    ::usleep(2000);
    done.notify();
  });
  done.wait();
  EXPECT_FALSE(done.pop());
  gate_.open();
  EXPECT_EQ(drain(done), 21);
}

// FAILURES row 1: the answers before it are delivered, it alone fails, and what was behind it runs.
TEST_F(gathering, a_death_costs_the_call_that_ran_alone) {
  const auto nap = nap_or(gate_);
  const auto die = task("die", []() -> int { std::abort(); });
  pool pool(gathers(1s, 1), nap, die);
  learn(pool, nap, 1000);
  completion_queue<int> done(pool);
  add(done, pool, nap, 1000, 5);
  done.add(pool.call(die));
  add(done, pool, nap, 1000, 20);
  EXPECT_EQ(drain(done), 25);
  EXPECT_EQ(pool.stats().restarts.crashed, 1U);
}

TEST_F(gathering, a_thread_that_waits_for_room_is_let_in_by_the_many) {
  const auto nap = nap_or(gate_);
  pool pool(watched({.workers = 2, .queue = 4, .depth = {.window = 5ms, .gather = 1s}}), nap);
  learn(pool, nap, 200);
  std::vector<future<int>> calls;
  for (int i = 0; i < 500; ++i) calls.push_back(pool.call(nap, 200U));
  for (auto& call : calls) EXPECT_EQ(call.get(), 200);
}

TEST_F(gathering, what_waits_behind_a_long_run_goes_to_another_busy_worker) {
  const auto nap = nap_or(gate_);
  pool pool(gathers(1ms, 2), nap);
  learn(pool, nap, 1000);
  completion_queue<int> done(pool);
  add(done, pool, nap, held, 1);
  add(done, pool, nap, 1000, 400);
  const int came = take(done, 200);  // the gate is closed
  EXPECT_GT(pool.stats().recalled, 0U) << "the other worker was busy all the time";
  take(done, 400 - came);
  gate_.open();
  EXPECT_EQ(drain(done), 1);
}

// ---- futures ------------------------------------------------------------------------------------------------------

TEST_F(gathering, one_who_waits_for_one_call_is_not_woken_for_those_before_it) {
  const auto nap = nap_or(gate_);
  pool pool(gathers(1s, 1), nap);
  learn(pool, nap, 300);
  auto calls = calls_of(pool, nap, 300, 60);
  const long before = switches();
  EXPECT_EQ(calls.back().get(), 300);
  EXPECT_LT(switches() - before, 30) << "it looks once a millisecond";
}

/// A pool of one worker then leaves no processor to this thread.
class gathering_on_one_processor : public gathering {
 protected:
  gathering_on_one_processor() {
    ::sched_getaffinity(0, sizeof before_, &before_);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(::sched_getcpu(), &one);
    ::sched_setaffinity(0, sizeof one, &one);
  }
  ~gathering_on_one_processor() override { ::sched_setaffinity(0, sizeof before_, &before_); }

 private:
  cpu_set_t before_{};
};

TEST_F(gathering_on_one_processor, futures_that_are_taken_in_order_come_together) {
  const auto spin = spin_for();
  pool pool(gathers(1ms, 1), spin);
  learn(pool, spin, 10);
  std::deque<future<int>> ahead;
  const long before = switches();
  constexpr int calls = 4000;
  for (int made = 0; made < calls || !ahead.empty();) {
    for (; made < calls && ahead.size() < 60; ++made) ahead.push_back(pool.call(spin, 10U));
    EXPECT_EQ(ahead.front().get(), 10);
    ahead.pop_front();
  }
  EXPECT_LT(switches() - before, calls / 2);
}

TEST_F(gathering_on_one_processor, no_future_waits_for_a_call_that_takes_longer_than_was_thought) {
  const auto nap = nap_or(gate_);
  pool pool(gathers(20ms, 1), nap);
  learn(pool, nap, 1000);
  auto first = calls_of(pool, nap, 1000, 2);
  auto long_one = pool.call(nap, held);
  auto rest = calls_of(pool, nap, 1000, 20);
  for (auto& each : first) EXPECT_EQ(each.get(), 1000);  // the gate is closed
  EXPECT_FALSE(long_one.wait_for(3ms));
  gate_.open();
  for (auto& each : rest) EXPECT_EQ(each.get(), 1000);
}

TEST_F(gathering_on_one_processor, futures_of_two_threads_do_not_wait_for_each_other) {
  const auto nap = nap_or(gate_);
  pool pool(gathers(1s, 1), nap);
  learn(pool, nap, 1000);
  std::jthread other([&, mine = pool.call(nap, 1000U)]() mutable {
    ::usleep(500);  // the other one has begun to wait, most times
    EXPECT_EQ(mine.get(), 1000);
    gate_.open();
  });
  auto long_one = pool.call(nap, held);
  auto rest = calls_of(pool, nap, 1000, 20);
  EXPECT_EQ(long_one.get(), 0);
  for (auto& each : rest) EXPECT_EQ(each.get(), 1000);
}

// FAILURES row 1, as above.
TEST_F(gathering_on_one_processor, a_death_costs_the_future_of_the_call_that_ran_alone) {
  const auto nap = nap_or(gate_);
  const auto die = task("die", []() -> int { std::abort(); });
  pool pool(gathers(1s, 1), nap, die);
  learn(pool, nap, 1000);
  auto before = calls_of(pool, nap, 1000, 5);
  auto dead = pool.call(die);
  auto behind = calls_of(pool, nap, 1000, 20);
  behind.back().wait();
  EXPECT_EQ(code_of(dead.result()), errc::crashed);
  for (auto* calls : {&before, &behind}) {
    for (auto& each : *calls) EXPECT_EQ(each.get(), 1000);
  }
}

}  // namespace
}  // namespace selvage::test

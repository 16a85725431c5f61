// FAILURES rows 8 and 9: tasks that do not come back, and answers that come just as the limit does.
#include <thread>

#include "tests/support/pool_fixture.hpp"
#include "tests/support/random.hpp"
#include "tests/support/worker_view.hpp"
#include "tests/victims/victims.hpp"

namespace selvage::test {
namespace {

using pool_hangs = pool_survives;

struct way_to_hang {
  const char* name;
  void (*victim)();
};
void PrintTo(const way_to_hang& how, std::ostream* out) { *out << how.name; }

class pool_way_to_hang : public pool_survives, public ::testing::WithParamInterface<way_to_hang> {};

// FAILURES row 8
TEST_P(pool_way_to_hang, is_ended_at_the_deadline_and_costs_one_call) {
  const auto hang = selvage::task("hang", GetParam().victim, {.timeout = 80ms});
  const auto nap = selvage::task("nap", [] { std::this_thread::sleep_for(10s); });
  pool pool(watched({.workers = 3}), add, hang, nap);
  std::vector<future<int>> sums;
  auto napping = pool.call(nap);
  const std::uint64_t called = base::now_ns();
  auto hanging = pool.call(hang);
  for (int i = 0; i < 100; ++i) sums.push_back(pool.call(add, i, 1));
  for (int i = 0; i < 100; ++i) EXPECT_EQ(sums[static_cast<std::size_t>(i)].get(), i + 1);
  const auto outcome = hanging.result();
  ASSERT_EQ(code_of(outcome), errc::timed_out);
  EXPECT_GE(base::now_ns() - called, 80'000'000U);  // not before its time
  EXPECT_TRUE(is_gone(outcome.error().details().worker_pid));
  EXPECT_EQ(outcome.error().details().task, "hang");
  expect_usable(pool, 1);
  EXPECT_FALSE(napping.ready()) << "by the limit, and not by the end of something else";
  EXPECT_EQ(pool.stats().restarts.timed_out, 1U);
}

// FAILURES row 8: every worker hangs, and calls wait in the queue behind that.
TEST_P(pool_way_to_hang, in_every_worker_at_once_delays_the_others_and_fails_none) {
  const auto hang = selvage::task("hang", GetParam().victim, {.timeout = 50ms});
  pool pool(watched({.workers = 2}), add, hang);
  std::vector<future<void>> hanging;
  std::vector<future<int>> sums;
  for (int i = 0; i < 6; ++i) hanging.push_back(pool.call(hang));
  for (int i = 0; i < 100; ++i) sums.push_back(pool.call(add, i, 1));
  for (auto& each : hanging) EXPECT_EQ(code_of(each.result()), errc::timed_out);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(sums[static_cast<std::size_t>(i)].get(), i + 1);
  expect_usable(pool);
}

const std::vector<way_to_hang> ways = {
    {"spin_with_every_signal_ignored", &victims::spin_without_sigterm},
    {"sleep", &victims::sleep_for_ever},
    {"own_mutex", &victims::deadlock_on_its_own_mutex},
    {"sigstop", &victims::stop_itself},
};
INSTANTIATE_TEST_SUITE_P(each, pool_way_to_hang, ::testing::ValuesIn(ways),
                         [](const auto& info) { return std::string(info.param.name); });

// FAILURES row 8: stopped from outside, before the call; it is the worker that is late, not the call's own doing.
TEST_F(pool_hangs, a_worker_that_was_stopped_from_outside_is_ended_by_the_limit_of_its_call) {
  const auto limited = selvage::task("limited", &add_numbers, {.timeout = 50ms});
  pool pool(watched({.workers = 1}), add, limited);
  stop_process(worker_pids(pool).at(0));
  const auto outcome = pool.call(limited, 1, 2).result();
  EXPECT_EQ(code_of(outcome), errc::timed_out);
  expect_usable(pool);
}

// FAILURES row 8
TEST_F(pool_hangs, the_signal_is_raised_first_and_the_grace_lets_a_task_finish) {
  const auto polite = selvage::task("polite",
                                    [](abort_signal stop) {
                                      while (!stop.wait_for(10s)) {
                                      }
                                      return 5;
                                    },
                                    {.timeout = 50ms, .grace = 10s});
  const auto deaf =
      selvage::task("deaf", [](abort_signal) { victims::sleep_for_ever(); }, {.timeout = 30ms, .grace = 30ms});
  pool pool(watched({.workers = 2}), add, polite, deaf);
  auto ignoring = pool.call(deaf);
  EXPECT_EQ(pool.call(polite).get(), 5);
  EXPECT_EQ(code_of(ignoring.result()), errc::timed_out);
  expect_usable(pool);
}

// However long the grace, the signal comes at the timeout.
TEST_F(pool_hangs, the_signal_is_raised_at_the_timeout_whatever_the_grace) {
  const auto polite = selvage::task("polite", [](abort_signal stop) { return stop.wait_for(30s); });
  pool pool(watched({.workers = 1}), polite);
  for (const std::chrono::nanoseconds grace : {std::chrono::nanoseconds(40s), std::chrono::nanoseconds(2h),
                                               std::chrono::nanoseconds(10'000h), std::chrono::nanoseconds::max()}) {
    EXPECT_TRUE(pool.call_with({.timeout = 20ms, .grace = grace}, polite).get()) << grace.count();
  }
}

// FAILURES row 9
TEST_F(pool_hangs, an_answer_that_races_its_deadline_is_one_outcome_and_the_right_one) {
  tests::random_source random;
  const auto work = selvage::task("work",
                                  [](std::uint64_t id, std::uint64_t ns) {
                                    const std::uint64_t end = base::now_ns() + ns;
                                    while (base::now_ns() < end) {
                                    }
                                    return id;
                                  },
                                  {.timeout = 1ms});
  pool pool(watched({.workers = 2, .depth = {.maximum = 4}}), add, work);
  unsigned values = 0, late = 0;
  std::uint64_t id = 0;
  // Most end about when their limit does. On a loaded machine all of those may be late, or none: some are sure to be.
  const auto work_ns = [&]() -> std::uint64_t {
    if (random.one_in(8)) return 50'000;
    return random.one_in(8) ? 3'600'000'000'000 : 850'000 + random.below(300'000);
  };
  for (int round = 0; round < 200; ++round) {
    std::vector<std::pair<std::uint64_t, future<std::uint64_t>>> racing;
    for (int i = 0; i < 4; ++i) {
      ++id;
      racing.emplace_back(id, pool.call(work, id, work_ns()));
    }
    for (auto& [own, call] : racing) {
      const auto outcome = call.result();
      if (outcome) {
        ASSERT_EQ(*outcome, own);
        ++values;
      } else {
        ASSERT_TRUE(outcome.error().code() == errc::timed_out || outcome.error().code() == errc::quarantined)
            << outcome.error().report();
        ++late;
      }
    }
  }
  EXPECT_EQ(values + late, id);
  EXPECT_GT(values, 0U);
  EXPECT_GT(late, 0U);
  expect_usable(pool);
}

// FAILURES row 9: the worker is killed in the middle of writing a large answer; the next one must not show through.
TEST_F(pool_hangs, a_late_answer_is_never_taken_for_that_of_another_call) {
  const auto fill =
      selvage::task("fill", [](char letter, std::size_t size) { return std::string(size, letter); }, {.timeout = 1ms});
  pool pool(watched({.workers = 1, .restart = {.budget = 1000}}), add, fill);
  tests::random_source random;
  for (int round = 0; round < 150; ++round) {
    std::vector<future<std::string>> texts;
    std::vector<std::size_t> sizes;
    for (int i = 0; i < 3; ++i) {
      sizes.push_back(1 + random.below(4'000'000));
      texts.push_back(pool.call(fill, static_cast<char>('a' + i), sizes.back()));
    }
    for (std::size_t i = 0; i < 3; ++i) {
      const auto text = texts[i].result();
      if (text) {
        ASSERT_EQ(text->size(), sizes[i]);
        ASSERT_EQ(text->find_first_not_of(static_cast<char>('a' + i)), std::string::npos);
      } else {
        ASSERT_TRUE(text.error().code() == errc::timed_out || text.error().code() == errc::quarantined)
            << text.error().report();
      }
    }
  }
  expect_usable(pool);
}

// BEHAVIOURS: sixty 5 ms calls under a 100 ms limit all succeed. Here all is slower by five, for loaded machines.
TEST_F(pool_hangs, time_in_the_queue_does_not_count) {
  const auto nap = selvage::task("nap", [] { ::usleep(25'000); }, {.timeout = 500ms});
  pool pool(watched({.workers = 1}), add, nap);
  std::vector<future<void>> naps;
  for (int i = 0; i < 60; ++i) naps.push_back(pool.call(nap));
  for (auto& each : naps) {
    const auto outcome = each.result();
    EXPECT_TRUE(outcome.has_value()) << outcome.error().report();
  }
}

}  // namespace
}  // namespace selvage::test

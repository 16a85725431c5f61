// FAILURES rows 3, 4 and 5: workers that die all at once, a call that kills every worker it meets, workers that cannot
// begin.
#include <gmock/gmock.h>
#include <sys/wait.h>

#include <atomic>
#include <thread>

#include "tests/support/pool_fixture.hpp"
#include "tests/support/random.hpp"
#include "tests/support/worker_view.hpp"
#include "tests/victims/victims.hpp"

namespace selvage::test {
namespace {

using pool_storms = pool_survives;

/// Whoever kills workers as fast as they come kills some before they are ready: that is no failed initializer.
constexpr restart_options unlimited = {.budget = 1'000'000, .backoff = 1ms, .backoff_limit = 1ms};

struct tally {
  std::atomic<unsigned> values{0}, wrong{0}, crashed{0}, others{0};
};

template <class T>
void count(tally& all, const tl::expected<T, error>& outcome, const T& wanted) {
  if (outcome) {
    ++(*outcome == wanted ? all.values : all.wrong);
  } else {
    const errc code = outcome.error().code();
    ++(code == errc::crashed || code == errc::quarantined ? all.crashed : all.others);
  }
}

/// Kills every worker of the pool that is ready, again and again, until it goes out of scope. Not those that are being
/// started: on a slow machine none would ever be, and nothing would ever have an outcome.
class massacre {
 public:
  massacre(pool& victim, std::chrono::microseconds pause)
      : thread_([&victim, pause, this] {
          while (!over_) {
            for (const lane_stats& lane : victim.stats().lanes) {
              if (lane.ready && lane.worker_pid > 0) ::kill(lane.worker_pid, SIGKILL);
            }
            ++times_;
            std::this_thread::sleep_for(pause);
          }
        }) {}
  ~massacre() {
    over_ = true;
    thread_.join();
  }
  massacre(const massacre&) = delete;
  massacre& operator=(const massacre&) = delete;
  [[nodiscard]] unsigned times() const { return times_; }
  /// It has struck often enough to prove something.
  [[nodiscard]] bool was_felt(const pool& victim) const {
    const restart_stats restarts = victim.stats().restarts;
    return times() > 20 && restarts.crashed > 10;
  }

 private:
  std::atomic<bool> over_{false};
  std::atomic<unsigned> times_{0};
  std::thread thread_;  // last: it uses the others
};

// FAILURES row 3
TEST_F(pool_storms, all_workers_dying_at_once_and_again_leave_an_outcome_for_every_call) {
  pool pool(watched({.workers = 3, .restart = unlimited}), add);
  tally all;
  {
    const massacre killer(pool, 3ms);
    std::vector<std::thread> callers;
    for (int t = 0; t < 4; ++t) {
      callers.emplace_back([&, t] {
        for (int round = 0; round < 40 || all.crashed == 0 || !killer.was_felt(pool); ++round) {
          std::vector<future<int>> sums;
          for (int i = 0; i < 50; ++i) sums.push_back(pool.call(add, i, t));
          for (int i = 0; i < 50; ++i) count(all, sums[static_cast<std::size_t>(i)].result(), i + t);
        }
      });
    }
    for (std::thread& caller : callers) caller.join();
  }
  EXPECT_GE(all.values + all.crashed, 4U * 40 * 50);
  EXPECT_EQ(all.wrong, 0U);
  EXPECT_EQ(all.others, 0U);
  expect_usable(pool);
}

// FAILURES row 3: arguments that are written while their worker dies.
TEST_F(pool_storms, large_arguments_and_results_survive_a_massacre) {
  const auto echo = selvage::task("echo", [](const std::string& text) { return text; });
  tests::random_source random;
  pool pool(
      watched(
          {.workers = 2, .arena = {.initial = 1_MiB, .maximum = 4_MiB}, .payload_cap = 4_MiB, .restart = unlimited}),
      add, echo);
  tally all;
  {
    const massacre killer(pool, 2ms);
    std::vector<std::thread> callers;
    for (int t = 0; t < 3; ++t) {
      callers.emplace_back([&, t, seed = random.bits()] {
        tests::random_source own(seed);
        for (int round = 0; round < 30 || all.crashed == 0 || !killer.was_felt(pool); ++round) {
          std::vector<std::string> texts;
          std::vector<future<std::string>> echoes;
          for (int i = 0; i < 10; ++i) texts.emplace_back(own.below(300'000), static_cast<char>('a' + t));
          for (const std::string& text : texts) echoes.push_back(pool.call(echo, text));
          for (std::size_t i = 0; i < texts.size(); ++i) count(all, echoes[i].result(), texts[i]);
        }
      });
    }
    for (std::thread& caller : callers) caller.join();
  }
  EXPECT_GE(all.values + all.crashed, 3U * 30 * 10);
  EXPECT_EQ(all.wrong, 0U);
  EXPECT_EQ(all.others, 0U);
  expect_usable(pool);
}

// FAILURES row 3: nobody waits; the outcomes come as callbacks.
TEST_F(pool_storms, callbacks_come_once_each_through_a_massacre) {
  pool pool(watched({.workers = 2, .restart = unlimited}), add);
  std::atomic<unsigned> outcomes{0};
  unsigned calls = 0;
  {
    const massacre killer(pool, 3ms);
    for (; calls < 2000 || !killer.was_felt(pool); ++calls) {
      pool.call(add, static_cast<int>(calls), 1).then([&](const tl::expected<int, error>&) { ++outcomes; });
    }
    EXPECT_TRUE(holds_in_the_end([&] { return outcomes == calls; })) << outcomes;
  }
  expect_usable(pool);
  EXPECT_EQ(outcomes, calls);
}

// FAILURES row 4: one that does not deny that it was started has had its one attempt.
TEST_F(pool_storms, a_call_that_kills_its_worker_is_never_given_to_another) {
  blackboard notes;
  const auto killer = selvage::task("killer", [runs = &notes[0]] {
    ++*runs;
    victims::kill_itself();
  });
  pool pool(watched({.workers = 2}), add, killer);
  for (std::uint64_t i = 1; i <= 20; ++i) {
    const auto outcome = pool.call(killer).result();
    ASSERT_EQ(code_of(outcome), errc::crashed);
    EXPECT_EQ(outcome.error().details().attempt, 1U);
    EXPECT_EQ(notes[0], i);
  }
  expect_usable(pool);
}

// FAILURES row 4: it denies that it was started, and kills its worker.
void deny_and_die() {
  shm::word64& started = victims::own_lane().response.words->started;
  started.store(started.load() ^ shm::bit(slot_that_runs()));
  victims::kill_itself();
}

TEST_F(pool_storms, a_call_that_denies_its_start_and_kills_every_worker_it_meets_is_quarantined) {
  blackboard notes;
  const auto liar = selvage::task("liar", [runs = &notes[0]] {
    ++*runs;
    deny_and_die();
  });
  pool pool(watched({.workers = 2}), add, liar);
  std::vector<future<int>> sums;
  for (int i = 0; i < 20; ++i) sums.push_back(pool.call(add, i, 1));
  const auto outcome = pool.call(liar).result();
  EXPECT_EQ(code_of(outcome), errc::quarantined);
  EXPECT_EQ(outcome.error().details().task, "liar");
  EXPECT_EQ(outcome.error().details().signal, SIGKILL);
  EXPECT_GE(notes[0], 2U);  // deaths to its name
  EXPECT_LE(notes[0], 6U);  // where it is slow to die it may be taken back first, which is no death to its name
  for (int i = 0; i < 20; ++i) EXPECT_EQ(sums[static_cast<std::size_t>(i)].get(), i + 1);
  expect_usable(pool);
}

// FAILURES row 4
TEST_F(pool_storms, many_liars_among_innocents_are_all_quarantined_and_no_innocent_is) {
  blackboard notes;
  const auto liar = selvage::task("liar", [runs = &notes[0]] {
    ++*runs;
    deny_and_die();
  });
  pool pool(watched({.workers = 2}), add, liar);
  std::vector<future<void>> liars;
  std::vector<future<int>> sums;
  for (int i = 0; i < 20; ++i) {
    liars.push_back(pool.call(liar));
    for (int k = 0; k < 5; ++k) sums.push_back(pool.call(add, i, k));
  }
  for (auto& each : liars) EXPECT_EQ(code_of(each.result()), errc::quarantined);
  for (int i = 0; i < 100; ++i) {
    const auto sum = sums[static_cast<std::size_t>(i)].result();
    ASSERT_TRUE(sum.has_value()) << sum.error().report();
    EXPECT_EQ(*sum, i / 5 + i % 5);
  }
  EXPECT_GE(notes[0], 40U);
  EXPECT_LE(notes[0], 120U);  // one that denies its start may be taken back while it dies, and so run more often
  expect_usable(pool);
}

// FAILURES row 4: it denies its start and waits until it is taken back, so that it is nobody's call when its worker
// dies.
TEST_F(pool_storms, a_liar_that_waits_to_be_taken_back_before_it_kills_is_quarantined_too) {
  blackboard notes;
  const auto liar = selvage::task("liar", [runs = &notes[0]] {
    ++*runs;
    shm::word64& started = victims::own_lane().response.words->started;
    started.store(started.load() ^ shm::bit(slot_that_runs()));
    ::usleep(20'000);
    victims::kill_itself();
  });
  pool pool(watched({.workers = 2, .depth = {.maximum = 64, .window = 1ms}}), add, liar);
  expect_usable(pool);
  auto lying = pool.call(liar);
  std::atomic<bool> over{false};
  std::thread traffic([&] {  // something waits behind it wherever it goes
    while (!over) {
      std::vector<future<int>> sums;
      for (int i = 0; i < 50; ++i) sums.push_back(pool.call(add, i, 1));
      for (auto& each : sums) (void)each.result();
    }
  });
  EXPECT_TRUE(lying.wait_for(10s));
  over = true;
  traffic.join();
  ASSERT_TRUE(lying.ready());
  EXPECT_EQ(code_of(lying.result()), errc::quarantined);
  EXPECT_LE(notes[0], 6U);
  expect_usable(pool);
}

// ---- FAILURES row 5 ---------------------------------------------------------------------------------------------

struct bad_start {
  const char* name;
  void (*initializer)();
  const char* words;
  std::chrono::nanoseconds start_timeout = 30s;
};
void PrintTo(const bad_start& how, std::ostream* out) { *out << how.name; }

class pool_bad_start : public pool_survives, public ::testing::WithParamInterface<bad_start> {};

// FAILURES row 5
TEST_P(pool_bad_start, surfaces_when_the_budget_is_spent_and_makes_no_fork_storm) {
  blackboard notes;
  constexpr unsigned workers = 3, budget = 4;
  pool_options options = watched(
      {.workers = workers,
       .restart = {.budget = budget, .backoff = 1ms, .backoff_limit = 4ms, .start_timeout = GetParam().start_timeout},
       .initializer = [births = &notes[0]] {
         ++*births;
         GetParam().initializer();
       }});
  try {
    const pool pool(options, add);
    FAIL() << "the pool was built";
  } catch (const error& problem) {
    EXPECT_EQ(problem.code(), errc::worker_start_failed);
    EXPECT_NE(std::string(problem.what()).find(GetParam().words), std::string::npos) << problem.report();
  }
  EXPECT_GE(notes[0], budget);
  EXPECT_LE(notes[0], workers * (budget + 1));
}

const std::vector<bad_start> bad_starts = {
    {"throws", [] { throw std::runtime_error("no licence found"); }, "no licence found"},
    {"crashes", [] { victims::dereference_null(); }, "SIGSEGV"},
    {"exits", [] { ::_exit(9); }, "status 9"},
    {"hangs", [] { victims::sleep_for_ever(); }, "not ready in time", 100ms},
    {"is_killed", [] { victims::kill_itself(); }, "SIGKILL"},
};
INSTANTIATE_TEST_SUITE_P(each, pool_bad_start, ::testing::ValuesIn(bad_starts),
                         [](const auto& info) { return std::string(info.param.name); });

// FAILURES row 5: it worked at first.
TEST_F(pool_storms, an_initializer_that_begins_to_fail_later_fails_the_calls_and_hangs_nobody) {
  blackboard notes;
  pool pool(watched({.workers = 2,
                     .restart = {.budget = 2, .backoff = 1ms, .backoff_limit = 2ms},
                     .initializer =
                         [broken = &notes[0]] {
                           if (*broken != 0) throw std::runtime_error("the disk is gone");
                         }}),
            add);
  expect_usable(pool);
  notes[0] = 1;
  for (const int pid : worker_pids(pool)) ::kill(pid, SIGKILL);
  std::vector<future<int>> sums;
  for (int i = 0; i < 200; ++i) sums.push_back(pool.call(add, i, 1));
  unsigned failed = 0;
  unsigned quarantined = 0;
  for (auto& each : sums) {
    const auto sum = each.result();
    if (sum) continue;
    const auto code = sum.error().code();
    EXPECT_THAT(code, testing::AnyOf(errc::worker_start_failed, errc::crashed, errc::quarantined))
        << sum.error().report();
    ++failed;
    quarantined += code == errc::quarantined ? 1 : 0;
  }
  EXPECT_GT(failed, 0U);
  EXPECT_LE(quarantined, 1U) << "only one can have been next in line at the deaths of both";
  const auto late = pool.call(add, 1, 2).result();
  ASSERT_EQ(code_of(late), errc::worker_start_failed);
  EXPECT_NE(std::string(late.error().what()).find("the disk is gone"), std::string::npos) << late.error().report();
}

// FAILURES row 5: the others work on.
TEST_F(pool_storms, one_lane_whose_budget_is_spent_leaves_the_others_working) {
  blackboard notes;
  pool pool(watched({.workers = 2,
                     .restart = {.budget = 2, .backoff = 1ms, .backoff_limit = 2ms},
                     .initializer =
                         [&notes] {
                           ++notes[1];
                           if (notes[0] != 0) throw std::runtime_error("no second one");
                         }}),
            add);
  notes[0] = 1;
  const auto lanes = pool.stats().lanes;
  ::kill(lanes[0].worker_pid, SIGKILL);
  ASSERT_TRUE(holds_in_the_end([&] { return is_gone(lanes[0].worker_pid); }));
  EXPECT_TRUE(holds_in_the_end([&] {
    EXPECT_EQ(pool.call(add, 1, 2).get(), 3);
    return notes[1] == 2 + 3 && !pool.stats().lanes[0].ready;  // a budget of two, and the one over it
  }));
  ::usleep(50'000);
  EXPECT_EQ(notes[1], 2U + 3) << "it is still trying";
  for (int round = 0; round < 20; ++round) expect_usable(pool, 1);
}

}  // namespace
}  // namespace selvage::test

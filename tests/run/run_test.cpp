// A run as its users see it: items in, outcomes out, in order and bounded.

#include <gmock/gmock.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <iterator>
#include <list>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "tests/run/store_support.hpp"
#include "tests/support/pool_fixture.hpp"
#include "tests/support/shared_words.hpp"

namespace selvage::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ending = run_report::ending;

class runs : public pool_survives {};

const auto square = task("square", [](int n) { return n * n; });
const auto nap = task("nap", [](int ms) {
  ::usleep(static_cast<useconds_t>(ms) * 1000);
  return ms;
});
const auto fail_on_odd = task("fail_on_odd", [](int n) {
  if (n % 2 != 0) throw std::runtime_error("odd: " + std::to_string(n));
  return n;
});
const auto misbehave = task("misbehave", [](std::string how) {
  if (how == "die") ::raise(SIGKILL);
  if (how == "hang") ::pause();
  if (how == "throw") throw std::invalid_argument("no");
  return how;
});

/// Ranges of our own: clang 14 and the views of libstdc++ 12 do not know each other.
template <class Next>
class generated {
 public:
  class iterator {
   public:
    using value_type = int;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = typename Next::concept_type;
    iterator() = default;
    explicit iterator(const Next* next) : next_(next) {}
    int operator*() const { return next_->value(at_); }
    iterator& operator++() {
      ++at_;
      return *this;
    }
    iterator operator++(int) {
      iterator before = *this;
      ++*this;
      return before;
    }
    friend bool operator==(const iterator& a, const iterator& b) { return a.at_ == b.at_; }
    friend bool operator==(const iterator& a, std::default_sentinel_t) { return a.next_->is_over(a.at_); }

   private:
    const Next* next_ = nullptr;
    int at_ = 0;
  };
  explicit generated(Next next) : next_(std::move(next)) {}
  [[nodiscard]] iterator begin() const { return iterator(&next_); }
  [[nodiscard]] std::default_sentinel_t end() const { return {}; }

 private:
  Next next_;
};

struct one_two_three {
  using concept_type = std::forward_iterator_tag;
  [[nodiscard]] int value(int at) const { return at + 1; }
  [[nodiscard]] bool is_over(int at) const { return at == 3; }
};
/// Of one pass.
struct one_two_three_once : one_two_three {
  using concept_type = std::input_iterator_tag;
};
struct endless {
  using concept_type = std::forward_iterator_tag;
  std::function<void()> on_pull;
  [[nodiscard]] int value(int at) const {
    on_pull();
    return at;
  }
  [[nodiscard]] bool is_over(int) const { return false; }
};

std::vector<int> numbers(int count) {
  std::vector<int> all(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) all[static_cast<std::size_t>(i)] = i;
  return all;
}

TEST_F(runs, give_every_outcome_in_the_order_of_the_items) {
  pool pool(watched({.workers = 2}), square);
  std::vector<int> told;
  const auto report = run(pool, square, numbers(5000), {.emit = [&](auto&& outcome) {
                            ASSERT_EQ(outcome.ordinal, told.size());
                            ASSERT_EQ(*outcome.item, static_cast<int>(told.size()));
                            ASSERT_EQ(outcome.attempts, 1U);
                            told.push_back(outcome.result.value());
                          }});
  ASSERT_EQ(told.size(), 5000U);
  for (int i = 0; i < 5000; ++i) ASSERT_EQ(told[static_cast<std::size_t>(i)], i * i);
  EXPECT_TRUE(report.ok());
  EXPECT_EQ(report.items, 5000U);
  EXPECT_EQ(report.succeeded, 5000U);
  EXPECT_EQ(report.attempts, 5000U);
  EXPECT_GT(report.wall, 0ns);
  EXPECT_GT(report.cpu, 0ns);
  ASSERT_EQ(report.slowest.size(), 10U);
  EXPECT_GE(report.slowest[0].run_time, report.slowest[9].run_time);
}

TEST_F(runs, of_nothing_are_over_at_once) {
  pool pool(watched({.workers = 1}), square);
  const auto report = run(pool, square, std::vector<int>{});
  EXPECT_TRUE(report.ok());
  EXPECT_EQ(report.items, 0U);
}

TEST_F(runs, tell_outcomes_as_they_come_where_they_may) {
  pool pool(watched({.workers = 2}), nap);
  std::vector<int> told;
  (void)run(pool, nap, std::vector<int>{300, 0, 0, 0},
            {.emit = [&](auto&& outcome) { told.push_back(outcome.result.value()); }, .in_order = false});
  EXPECT_THAT(told, ElementsAre(0, 0, 0, 300));
}

TEST_F(runs, take_items_of_any_source) {
  pool pool(watched({.workers = 1}), square);
  std::vector<int> told;
  const run_options<int, int> options{.emit = [&](auto&& outcome) { told.push_back(outcome.result.value()); }};
  const auto expect_three = [&](const run_report& report) {
    EXPECT_TRUE(report.ok());
    EXPECT_THAT(told, ElementsAre(1, 4, 9));
    told.clear();
  };
  const std::vector<int> kept{1, 2, 3};
  expect_three(run(pool, square, kept, options));
  expect_three(run(pool, square, std::list<int>{1, 2, 3}, options));
  expect_three(run(pool, square, generated(one_two_three{}), options));
  expect_three(run(pool, square, generated(one_two_three_once{}), options));
  int next = 1;
  const auto callable = [&]() -> std::optional<int> { return next <= 3 ? std::optional(next++) : std::nullopt; };
  expect_three(run(pool, square, callable, options));
  next = 1;
  expect_three(run(
      pool, square, [&](std::stop_token) { return callable(); }, options));
  expect_three(run(
      pool, square,
      [] {
        return std::vector<int>{1, 2, 3};
      },
      options));
  expect_three(run(
      pool, square, [] { return [n = 0]() mutable { return ++n <= 3 ? std::optional(n) : std::nullopt; }; }, options));
}

TEST_F(runs, give_a_task_of_several_parameters_the_parts_of_a_tuple) {
  const auto join = task("join", [](std::string_view a, int n) { return std::string(a) + std::to_string(n); });
  const auto nothing = task("nothing", [] { return 7; });
  const auto no_result = task("no_result", [](int) {});
  pool pool(watched({.workers = 1}), join, nothing, no_result);
  std::vector<std::string> told;
  (void)run(pool, join, std::vector<std::tuple<std::string, int>>{{"a", 1}, {"b", 2}},
            {.emit = [&](auto&& outcome) { told.push_back(outcome.result.value()); }});
  EXPECT_THAT(told, ElementsAre("a1", "b2"));
  EXPECT_TRUE(run(pool, nothing, std::vector<std::tuple<>>(3)).ok());
  int folded = 0;
  EXPECT_TRUE(run(pool, no_result, numbers(3),
                  {.emit = [](auto&& outcome) { EXPECT_TRUE(outcome.result); }, .combine = [&] { ++folded; }})
                  .ok());
  EXPECT_EQ(folded, 3);
}

TEST_F(runs, fold_values_in_order) {
  pool pool(watched({.workers = 2}), nap);
  std::string all;
  (void)run(pool, nap, std::vector<int>{30, 1, 20, 2}, {.combine = [&](int ms) { all += std::to_string(ms) + " "; }});
  EXPECT_EQ(all, "30 1 20 2 ");
}

TEST_F(runs, tell_failures_as_data) {
  pool pool(watched({.workers = 2}), misbehave);
  std::map<std::string, std::string> told;
  const auto report = run(pool, misbehave, std::vector<std::string>{"fine", "die", "throw", "hang", "good", "throw"},
                          {.timeout = 100ms, .emit = [&](auto&& outcome) {
                             told[*outcome.item] = outcome.result ? "done" : to_string(outcome.result.error().code());
                           }});
  EXPECT_EQ(
      told,
      (std::map<std::string, std::string>{
          {"fine", "done"}, {"die", "crashed"}, {"throw", "task_failed"}, {"hang", "timed_out"}, {"good", "done"}}));
  EXPECT_EQ(report.how, ending::finished);
  EXPECT_FALSE(report.ok());
  EXPECT_EQ(report.succeeded, 2U);
  EXPECT_EQ(report.failed, 4U);
  EXPECT_THAT(report.failures, ElementsAre(std::pair(errc::task_failed, 2U), std::pair(errc::crashed, 1U),
                                           std::pair(errc::timed_out, 1U)));
  EXPECT_EQ(report.restarts, 2U);
}

TEST_F(runs, hold_no_more_than_they_may_of_a_source_without_end) {
  const tests::shared_array<std::atomic<std::uint64_t>> running(1);
  const auto slow = task("slow", [&running](int n) {
    ++running[0];
    ::usleep(1000);
    return n;
  });
  pool pool(watched({.workers = 2}), slow);
  std::uint64_t pulled = 0;
  std::uint64_t told = 0;
  std::uint64_t most = 0;
  std::stop_source stop;
  const generated source(endless{[&] {
    ++pulled;
    most = std::max(most, pulled - told);
  }});
  const auto report = run(pool, slow, source,
                          {.parallel = 4,
                           .emit =
                               [&](auto&&) {
                                 if (++told == 500) stop.request_stop();
                               },
                           .source_buffer = 8,
                           .window = 16,
                           .stop = stop.get_token()});
  EXPECT_EQ(report.how, ending::stopped);
  EXPECT_LE(most, 17U);  // with the one that is being pulled
  EXPECT_EQ(report.succeeded, told);
  EXPECT_EQ(report.items, report.succeeded + report.not_run);
}

TEST_F(runs, end_with_the_error_of_a_source_that_throws_after_what_it_gave) {
  pool pool(watched({.workers = 2}), nap);
  int given = 0;
  int told = 0;
  const auto report = run(pool, nap,
                          [&]() -> std::optional<int> {
                            if (++given > 5) throw std::runtime_error("the list is torn");
                            return 20;
                          },
                          {.emit = [&](auto&& outcome) { told += outcome.result ? 1 : 0; }});
  EXPECT_EQ(report.how, ending::failed);
  ASSERT_TRUE(report.problem);
  EXPECT_STREQ(report.problem->what(), "source_failed: the source of the items threw: the list is torn");
  EXPECT_EQ(report.succeeded, 5U);
  EXPECT_EQ(told, 5);
}

TEST_F(runs, go_on_while_their_source_blocks) {
  pool pool(watched({.workers = 1}), square);
  std::mutex mutex;
  std::condition_variable changed;
  int told = 0;
  int given = 0;
  const auto report = run(pool, square,
                          [&]() -> std::optional<int> {
                            // The next comes only once the outcome of the one before was told.
                            std::unique_lock lock(mutex);
                            changed.wait(lock, [&] { return told == given; });
                            return given < 20 ? std::optional(given++) : std::nullopt;
                          },
                          {.emit = [&](auto&&) {
                            const std::lock_guard guard(mutex);
                            ++told;
                            changed.notify_all();
                          }});
  EXPECT_TRUE(report.ok());
  EXPECT_EQ(told, 20);
}

TEST_F(runs, tell_a_source_that_blocks_to_stop) {
  pool pool(watched({.workers = 1}), square);
  std::stop_source stop;
  std::jthread other([&] {
    ::usleep(50'000);
    stop.request_stop();
  });
  const auto report = run(pool, square,
                          [&](std::stop_token token) -> std::optional<int> {
                            while (!token.stop_requested()) ::usleep(1000);
                            return std::nullopt;
                          },
                          {.stop = stop.get_token()});
  EXPECT_EQ(report.how, ending::stopped);
}

TEST_F(runs, let_what_runs_finish_when_they_are_stopped) {
  pool pool(watched({.workers = 2}), nap);
  std::stop_source stop;
  std::jthread other([&] {
    ::usleep(30'000);
    stop.request_stop();
  });
  const auto report = run(pool, nap, std::vector<int>(100, 100), {.parallel = 2, .stop = stop.get_token()});
  EXPECT_EQ(report.how, ending::stopped);
  EXPECT_EQ(report.succeeded, 2U);
  EXPECT_GT(report.not_run, 0U);
  EXPECT_EQ(report.items, 2 + report.not_run);
}

TEST_F(runs, abort_what_runs_when_they_are_stopped_now) {
  const auto wait_for_abort = task("wait_for_abort", [](abort_signal stop, int) { return stop.wait_for(20s); });
  const auto deaf = task("deaf", [](int) {
    ::usleep(300'000);
    return true;
  });
  pool pool(watched({.workers = 2}), wait_for_abort, deaf);
  {
    std::stop_source stop;
    std::jthread other([&] {
      ::usleep(30'000);
      stop.request_stop();
    });
    const auto report = run(pool, wait_for_abort, numbers(100), {.parallel = 2, .stop_now = stop.get_token()});
    EXPECT_EQ(report.succeeded, 2U) << "what heeds its signal and gives a value has one";
  }
  for (const auto grace : {0ns, std::chrono::nanoseconds(10ms)}) {
    std::stop_source stop;
    std::jthread other([&] {
      ::usleep(30'000);
      stop.request_stop();
    });
    const auto report = run(pool, deaf, numbers(100), {.parallel = 2, .grace = grace, .stop_now = stop.get_token()});
    EXPECT_EQ(report.how, ending::stopped);
    EXPECT_EQ(report.succeeded, 0U);
    EXPECT_EQ(report.failed, 0U);
    EXPECT_EQ(report.not_run, report.items);
  }
}

TEST_F(runs, halt_after_failures) {
  pool pool(watched({.workers = 1}), fail_on_odd);
  const auto report =
      run(pool, fail_on_odd, numbers(1000), {.parallel = 1, .halt = {.how = halt_options::when::soon, .count = 3}});
  EXPECT_EQ(report.how, ending::halted);
  EXPECT_EQ(report.failed, 3U);
  EXPECT_EQ(report.succeeded, 3U);
  const auto by_part =
      run(pool, fail_on_odd, numbers(1000), {.parallel = 1, .halt = {.how = halt_options::when::now, .percent = 50}});
  EXPECT_EQ(by_part.how, ending::halted);
  EXPECT_EQ(by_part.failed, 2U);
}

TEST_F(runs, know_their_items) {
  const auto who = task("who", [](const item_context& item, int n) {
    return std::string(item.key) + " " + std::to_string(item.ordinal) + " " + std::to_string(item.attempt) + " " +
           std::to_string(n) + " " + (item.deadline < std::chrono::steady_clock::now() + 11s ? "soon" : "never");
  });
  pool pool(watched({.workers = 1}), who);
  std::vector<std::string> told;
  const auto emit = [&](auto&& outcome) { told.push_back(outcome.result.value()); };
  (void)run(pool, who, std::vector<int>{5, 6},
            {.timeout = 10s, .key = [](int n) { return "key" + std::to_string(n); }, .emit = emit});
  (void)run(pool, who, std::vector<int>{5}, {.emit = emit});
  EXPECT_THAT(told, ElementsAre("key5 0 1 5 soon", "key6 1 1 6 soon", "5 0 1 5 never"));
}

TEST_F(runs, give_each_active_item_a_place_of_its_own) {
  const tests::shared_array<std::atomic<std::uint64_t>> taken(8);
  const auto use_place = task("use_place", [&taken](const item_context& item, int) {
    const std::uint64_t before = taken[item.place]++;
    ::usleep(500);
    --taken[item.place];
    return before == 0 && item.place <= 3;
  });
  pool pool(watched({.workers = 4}), use_place);
  bool right = true;
  const auto report = run(pool, use_place, numbers(200),
                          {.parallel = 3, .emit = [&](auto&& outcome) { right = right && *outcome.result; }});
  EXPECT_TRUE(right);
  EXPECT_EQ(report.succeeded, 200U);
}

TEST_F(runs, report_their_progress) {
  pool pool(watched({.workers = 2}), nap);
  std::vector<run_progress> told;
  (void)run(pool, nap, std::vector<int>(10, 20),
            {.on_progress = [&](const run_progress& now) { told.push_back(now); }, .progress_interval = 10ms});
  ASSERT_GT(told.size(), 2U);
  EXPECT_EQ(told.back().succeeded, 10U);
  EXPECT_EQ(told.back().active, 0U);
  EXPECT_TRUE(told.back().source_ended);
  EXPECT_LT(told.front().succeeded, 10U);
}

TEST_F(runs, leave_with_what_their_callbacks_throw) {
  pool pool(watched({.workers = 2}), nap, add);
  EXPECT_THROW((void)run(pool, nap, std::vector<int>(100, 5),
                         {.emit =
                              [](auto&& outcome) {
                                if (outcome.ordinal == 3) throw std::domain_error("enough");
                              }}),
               std::domain_error);
  expect_usable(pool);
}

TEST_F(runs, end_when_their_pool_does) {
  std::optional<pool> pool(std::in_place, watched({.workers = 2}), nap);
  std::jthread other([&] {
    ::usleep(30'000);
    pool->shutdown();
  });
  const auto report = run(*pool, nap, std::vector<int>(1000, 20));
  EXPECT_EQ(report.how, ending::failed);
  EXPECT_EQ(report.problem->code(), errc::pool_closed);
  EXPECT_EQ(report.failed, 0U) << "that says nothing of the items";
}

TEST_F(runs, refuse_options_by_name) {
  pool pool(watched({.workers = 1}), square);
  const auto words = [&](const run_options<int, int>& options) {
    try {
      (void)run(pool, square, numbers(3), options);
      return std::string("taken");
    } catch (const error& problem) {
      return std::string(problem.what());
    }
  };
  EXPECT_THAT(words({.parallel = 100'000}), HasSubstr("invalid_options: parallel"));
  EXPECT_THAT(words({.retry = {.attempts = 0}}), HasSubstr("invalid_options: retry.attempts"));
  EXPECT_THAT(words({.retry = {.jitter = 2}}), HasSubstr("invalid_options: retry.jitter"));
  EXPECT_THAT(words({.retry = {.backoff = -1ns}}), HasSubstr("invalid_options: retry.backoff"));
  EXPECT_THAT(words({.timeout = -1ns}), HasSubstr("invalid_options: timeout"));
  EXPECT_THAT(words({.item_timeout = -1ns}), HasSubstr("invalid_options: item_timeout"));
  EXPECT_THAT(words({.group_limit = 3}), HasSubstr("invalid_options: group_limit"));
  EXPECT_THAT(words({.resume = true}), HasSubstr("invalid_options: resume"));
  EXPECT_THAT(words({.fresh = true}), HasSubstr("invalid_options: fresh"));
  EXPECT_THAT(words({.halt = {.count = 3}}), HasSubstr("invalid_options: halt.how"));
  EXPECT_THAT(words({.halt = {.how = halt_options::when::soon}}), HasSubstr("invalid_options: halt.count"));
  EXPECT_THAT(words({.parallel = 10, .source_buffer = 5}), HasSubstr("invalid_options: source_buffer"));
  EXPECT_THAT(words({.progress_interval = 0ns}), HasSubstr("invalid_options: progress_interval"));
  EXPECT_THAT(words({.retry = {.larger = any_task(misbehave)}}), HasSubstr("invalid_options: retry.larger"));
  try {
    (void)run(pool, nap, numbers(3));
    FAIL();
  } catch (const error& problem) {
    EXPECT_THAT(problem.what(), HasSubstr("the pool was built without the task 'nap'"));
  }
}

}  // namespace
}  // namespace selvage::test

// Calls that wait for futures among their arguments: what becomes of them when their values cannot be encoded, where
// they are counted, and how many there may be.

#include <gmock/gmock.h>

#include <atomic>
#include <optional>
#include <thread>
#include <variant>

#include "tests/support/pool_fixture.hpp"
#include "tests/support/shared_words.hpp"

namespace selvage::test {
namespace {

class inputs : public pool_survives {
 protected:
  const gate gate_;
  const task<std::function<int()>> held_{"held", [this] {
                                           gate_.pass();
                                           return 1;
                                         }};
};

using ::testing::HasSubstr;

struct box {
  std::string text;
};
using number_or_box = std::variant<int, box>;

/// What is left of a variant whose assignment threw.
number_or_box without_value() {
  struct no_box {
    operator box() const { throw std::runtime_error("no box"); }
  };
  number_or_box broken = 1;
  EXPECT_THROW(broken.emplace<box>(no_box()), std::runtime_error);
  EXPECT_TRUE(broken.valueless_by_exception());
  return broken;
}

const auto count_text = task("count_text", [](int times, const number_or_box& what) {
  return times * static_cast<int>(std::holds_alternative<box>(what) ? std::get<box>(what).text.size() : 1);
});

TEST_F(inputs, a_value_that_cannot_be_encoded_fails_the_call_and_not_the_program) {
  pool pool(watched({.workers = 1}), held_, count_text, add);
  auto call = pool.call(count_text, pool.call(held_), without_value());
  gate_.open();
  const auto outcome = call.result();
  ASSERT_EQ(code_of(outcome), errc::task_failed);
  EXPECT_EQ(outcome.error().details().exception_type, "std::invalid_argument");
  EXPECT_EQ(outcome.error().details().task, "count_text");
  EXPECT_THAT(outcome.error().details().message, HasSubstr("could not be encoded"));
  EXPECT_EQ(pool.call(count_text, pool.call(add, 1, 2), box{"four"}).get(), 12);
  expect_usable(pool);
  pool.shutdown(1h);  // ends at once: every call is accounted for
}

TEST_F(inputs, a_call_that_fails_before_its_inputs_are_known_counts_for_its_own_task) {
  const auto fail = task("fail", [](int) -> int { throw std::runtime_error("no"); });
  pool pool(watched({.workers = 1}), fail, add, held_);
  EXPECT_EQ(code_of(pool.call(add, pool.call(fail, 1), 2).result()), errc::task_failed);
  auto aborted = pool.call(add, pool.call(held_), 2);
  aborted.abort();
  EXPECT_EQ(code_of(aborted.result()), errc::aborted);
  const pool_stats stats = pool.stats();
  EXPECT_EQ(stats.tasks[0].failed, 1U);
  EXPECT_EQ(stats.tasks[1].failed, 2U);
  gate_.open();
}

TEST_F(inputs, as_many_calls_wait_for_inputs_as_may_be_queued) {
  pool source(watched({.workers = 1}), held_);
  pool pool(watched({.workers = 1, .queue = 2}), add);
  std::vector<future<int>> calls;
  for (int i = 0; i < 2; ++i) calls.push_back(pool.call(add, source.call(held_), i));
  const auto refused = pool.try_call(add, source.call(held_), 2);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), errc::queue_full);
  std::atomic<bool> admitted{false};
  std::thread caller([&] {
    for (int i = 2; i < 20; ++i) {
      calls.push_back(pool.call(add, source.call(held_), i));
      admitted = true;
    }
  });
  ::usleep(20'000);
  EXPECT_FALSE(admitted);  // it waits for room
  gate_.open();
  caller.join();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(calls[static_cast<std::size_t>(i)].get(), 1 + i);
}

// Their futures were given away: nobody else could abort them.
TEST_F(inputs, of_a_call_that_nobody_wants_are_aborted_with_it) {
  const shared_words told(1);
  const auto polite = task("polite", [&told](abort_signal stop, int value) {
    told[0] = 1;
    if (stop.wait_for(std::chrono::seconds(30))) told[0] = 2;
    return value;
  });
  pool pool(watched({.workers = 1}), polite, add);
  for (const bool dropped : {false, true}) {
    told[0] = 0;
    std::optional<future<int>> outer(pool.call(add, pool.call(polite, 1), 2));
    ASSERT_TRUE(holds_in_the_end([&] { return told[0] == 1; }));
    if (dropped) {
      outer.reset();
    } else {
      outer->abort();
      EXPECT_EQ(code_of(outer->result()), errc::aborted);
    }
    EXPECT_TRUE(holds_in_the_end([&] { return told[0] == 2; }));
  }
  expect_usable(pool);
}

TEST_F(inputs, an_abort_makes_room_for_a_call_that_waits_for_inputs) {
  pool source(watched({.workers = 1}), held_);
  pool pool(watched({.workers = 1, .queue = 1}), add);
  auto first = pool.call(add, source.call(held_), 1);
  future<int> second;
  std::thread caller([&] { second = pool.call(add, source.call(held_), 2); });
  ::usleep(10'000);
  first.abort();
  caller.join();  // while every input is held up
  gate_.open();
  EXPECT_EQ(second.get(), 3);
}

// The helper thread launches those calls: it cannot wait for them.
TEST_F(inputs, a_callback_is_not_held_up_by_the_bound) {
  pool pool(watched({.workers = 1, .queue = 1}), add, held_);
  std::atomic<int> sum{0};
  pool.call(held_).then([&](const auto&) {
    for (int i = 0; i < 5; ++i)
      pool.call(add, pool.call(add, i, 1), 1).then([&](const auto& outcome) { sum += *outcome; });
  });
  gate_.open();
  EXPECT_TRUE(holds_in_the_end([&] { return sum == 10 + 5 * 2; }));
}

}  // namespace
}  // namespace selvage::test

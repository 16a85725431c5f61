// async_call: calls as Asio operations, with every kind of token. The one test file that includes Asio for the host.

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <optional>
#include <stdexcept>

#include <selvage/asio.hpp>

#include "tests/support/pool_fixture.hpp"
#include "tests/support/shared_words.hpp"
#include "tests/victims/victims.hpp"

namespace selvage::test {
namespace {

namespace asio = boost::asio;

class async_calls : public pool_survives {};

const auto crash = task("crash", [] { victims::dereference_null(); });
const auto thrower = task("thrower", [](int) -> int { throw std::runtime_error("no"); });
const auto nothing = task("nothing", [](int) {});
const auto hang = task("hang", [](int) -> int {
  victims::sleep_for_ever();
  return 0;
});
const auto size_of = task("size_of", [](std::string_view text) { return text.size(); });

/// The code of the selvage::error in there; 0 for none.
errc code_in(const std::exception_ptr& problem) {
  if (!problem) return {};
  try {
    std::rethrow_exception(problem);
  } catch (const error& known) {
    return known.code();
  }
}

/// What `start` puts into a std::future, once it is there. On an executor of its own: without one, Asio starts threads.
template <class Start>
auto outcome_of(Start&& start) {
  asio::io_context context;
  auto outcome = start(asio::bind_executor(context, asio::use_future));
  context.run();
  return outcome;
}

/// The code of the selvage::error in there; 0 for none.
template <class T>
errc code_in(std::future<T> outcome) {
  try {
    (void)outcome.get();
    return {};
  } catch (const error& known) {
    return known.code();
  }
}

TEST_F(async_calls, give_their_value_to_a_callback_on_its_executor) {
  pool pool(watched({.workers = 2}), add);
  asio::io_context context;
  std::vector<int> sums;
  std::thread::id ran_on;
  for (int i = 0; i < 100; ++i) {
    pool.async_call(add, i, 1000, asio::bind_executor(context, [&](const std::exception_ptr& problem, int sum) {
                      EXPECT_FALSE(problem);
                      ran_on = std::this_thread::get_id();
                      sums.push_back(sum);
                    }));
  }
  EXPECT_TRUE(sums.empty()) << "nobody runs the context yet";
  context.run();  // ends when all have completed: each keeps it at work
  std::sort(sums.begin(), sums.end());
  ASSERT_EQ(sums.size(), 100U);
  EXPECT_EQ(sums.front(), 1000);
  EXPECT_EQ(sums.back(), 1099);
  EXPECT_EQ(ran_on, std::this_thread::get_id());
}

TEST_F(async_calls, throw_their_error_out_of_a_future) {
  pool pool(watched({.workers = 1}), add, crash, thrower, nothing);
  EXPECT_EQ(outcome_of([&](auto token) { return pool.async_call(add, 1, 2, token); }).get(), 3);
  outcome_of([&](auto token) { return pool.async_call(nothing, 1, token); }).get();
  EXPECT_EQ(code_in(outcome_of([&](auto token) { return pool.async_call(crash, token); })), errc::crashed);
  EXPECT_EQ(code_in(outcome_of([&](auto token) { return pool.async_call(thrower, 1, token); })), errc::task_failed);
}

TEST_F(async_calls, of_a_deferred_token_begin_when_it_is_started) {
  pool pool(watched({.workers = 1}), size_of);
  auto later = pool.async_call(size_of, std::string(3000, 'x'), asio::deferred);
  EXPECT_EQ(pool.stats().posted, 0U);
  EXPECT_EQ(outcome_of([&](auto token) { return std::move(later)(token); }).get(), 3000U)
      << "its arguments are its own";
}

TEST_F(async_calls, are_awaited_by_coroutines) {
  pool pool(watched({.workers = 2}), add, thrower);
  asio::io_context context;
  int sum = 0;
  bool caught = false;
  const auto work = [&]() -> asio::awaitable<void> {
    for (int i = 1; i <= 20; ++i) sum = co_await pool.async_call(add, sum, i, asio::use_awaitable);
    try {
      (void)co_await pool.async_call(thrower, 1, asio::use_awaitable);
    } catch (const error& problem) {
      caught = problem.code() == errc::task_failed;
    }
  };
  auto ended = asio::co_spawn(context, work, asio::use_future);
  context.run();
  ended.get();
  EXPECT_EQ(sum, 210);
  EXPECT_TRUE(caught);
}

// An initiating function that ran the handler would surprise a caller that holds a lock, and grow the stack.
TEST_F(async_calls, that_are_settled_when_they_begin_complete_after_the_initiating_function) {
  pool pool(watched({.workers = 1}), add);
  pool.shutdown();
  asio::io_context context;
  bool initiating = false;
  std::optional<errc> code;
  asio::post(context, [&] {
    initiating = true;
    pool.async_call(add, 1, 2, asio::bind_executor(context, [&](const std::exception_ptr& problem, int) {
                      EXPECT_FALSE(initiating);
                      code = code_in(problem);
                    }));
    initiating = false;
  });
  context.run();
  EXPECT_EQ(code, errc::pool_closed);
}

TEST_F(async_calls, that_are_cancelled_are_aborted) {
  const shared_words begun(1);
  const auto stuck = task("stuck", [word = &begun[0]](int) {
    word->store(1);
    victims::sleep_for_ever();
  });
  pool pool(watched({.workers = 1}), stuck, add);
  asio::io_context context;
  asio::cancellation_signal signal;
  std::optional<errc> code;
  pool.async_call_with(
      {.grace = 1ms}, stuck, 1,
      asio::bind_cancellation_slot(signal.slot(), asio::bind_executor(context, [&](const std::exception_ptr& problem) {
                                     code = code_in(problem);
                                   })));
  ASSERT_TRUE(holds_in_the_end([&] { return begun[0].load() == 1; }));
  EXPECT_FALSE(code);
  signal.emit(asio::cancellation_type::total);
  context.run();
  EXPECT_EQ(code, errc::aborted);
  signal.emit(asio::cancellation_type::total);  // it is over: nothing happens
  expect_usable(pool);
}

TEST_F(async_calls, take_options_of_their_own) {
  pool pool(watched({.workers = 1}), hang, add);
  EXPECT_EQ(code_in(outcome_of([&](auto token) { return pool.async_call_with({.timeout = 20ms}, hang, 1, token); })),
            errc::timed_out);
  EXPECT_EQ(code_in(outcome_of([&](auto token) { return pool.async_call_with({.timeout = -1ms}, add, 1, 2, token); })),
            errc::invalid_options);
}

// D8, pressure and not failure: more operations than worker and queue hold wait in line, and nobody is blocked.
TEST_F(async_calls, wait_in_line_where_the_queue_is_full) {
  const gate door;
  const auto pass = task("pass", [&door](int i) {
    door.pass();
    return i;
  });
  pool pool(watched({.workers = 1, .queue = 2, .depth = {.maximum = 1}}), pass);
  asio::io_context context;
  std::vector<int> order;
  for (int i = 0; i < 50; ++i) {
    pool.async_call(pass, i, asio::bind_executor(context, [&](const std::exception_ptr& problem, int number) {
                      EXPECT_EQ(code_in(problem), errc{});
                      order.push_back(number);
                    }));
  }
  const auto refused = pool.try_call(pass, 50);
  EXPECT_FALSE(refused) << "the bound stands for everybody else";
  door.open();
  context.run();
  ASSERT_EQ(order.size(), 50U);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end())) << "first come, first served";
}

}  // namespace
}  // namespace selvage::test

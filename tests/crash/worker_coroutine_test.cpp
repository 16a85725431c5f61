// Coroutine tasks: several are started in one worker and answered as they finish.
#include <gtest/gtest.h>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <stdexcept>
#include <string>

#include "selvage/detail/coroutine_task.hpp"
#include "tests/crash/lane_rig.hpp"
#include "tests/victims/victims.hpp"

namespace selvage::test {
namespace {

using boost::asio::awaitable;
using boost::asio::use_awaitable;
using shm::response_status;
using std::chrono::milliseconds;

awaitable<void> pause(milliseconds time) {
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, time);
  co_await timer.async_wait(use_awaitable);
}

int begun = 0;

const auto late = selvage::task("late", [](std::int64_t ms) -> awaitable<std::int32_t> {
  ++begun;
  co_await pause(milliseconds(ms));
  co_return begun;
});
const auto at_once =
    selvage::task("at_once", [](std::int64_t value) -> awaitable<std::int64_t> { co_return 2 * value; });
const auto plain = selvage::task("plain", [](std::int64_t value) { return value + 1; });
const auto late_by_two_steps = selvage::task("late_by_two_steps", [](std::int64_t ms) -> awaitable<void> {
  co_await pause(milliseconds(ms));
  co_await boost::asio::post(co_await boost::asio::this_coro::executor, use_awaitable);
});
const auto throws_early = selvage::task("throws_early", [](std::int64_t) -> awaitable<void> {
  throw std::runtime_error("early");
  co_return;
});
const auto throws_late = selvage::task("throws_late", [](std::int64_t ms) -> awaitable<void> {
  co_await pause(milliseconds(ms));
  throw std::runtime_error("late");
});
const auto crashes_late = selvage::task("crashes_late", [](std::int64_t ms) -> awaitable<void> {
  co_await pause(milliseconds(ms));
  victims::dereference_null();
});
const auto stops = selvage::task("stops", [](abort_signal stop, std::int64_t) -> awaitable<std::int32_t> {
  std::int32_t looks = 0;
  for (; !stop.requested(); ++looks) co_await pause(milliseconds(1));
  co_return looks;
});
const auto echo_late = selvage::task("echo_late", [](std::string_view text) -> awaitable<std::string> {
  co_await pause(milliseconds(text.size() % 3));
  co_return std::string(text);
});
const auto count_begun = selvage::task("count_begun", [](std::int64_t) { return begun; });

enum : std::uint16_t {
  t_late,
  t_at_once,
  t_plain,
  t_throws_early,
  t_throws_late,
  t_crashes_late,
  t_stops,
  t_echo,
  t_begun,
  t_two_steps
};

template <class Task>
task_entry entry(const Task& task) {
  return {task.name(), task.record()->closure, task.record()->run};
}

class worker_coroutine : public testing::Test {
 protected:
  lane_rig rig{{entry(late), entry(at_once), entry(plain), entry(throws_early), entry(throws_late), entry(crashes_late),
                entry(stops), entry(echo_late), entry(count_begun), entry(late_by_two_steps)}};

  void SetUp() override { rig.start_worker(); }
  unsigned post(std::uint16_t task, std::int64_t value) { return rig.post(task, value); }
};

TEST_F(worker_coroutine, one_that_never_waits_is_answered) {
  for (std::int64_t i = 0; i < 1000; ++i) ASSERT_EQ(rig.await<std::int64_t>(post(t_at_once, i)), 2 * i);
}

TEST_F(worker_coroutine, all_are_started_before_one_has_finished) {
  std::vector<unsigned> slots;
  slots.reserve(40);
  for (int i = 0; i < 40; ++i) slots.push_back(post(t_late, 1500));
  for (const unsigned slot : slots) EXPECT_EQ(rig.await<std::int32_t>(slot), 40);
}

TEST_F(worker_coroutine, answers_come_in_the_order_in_which_they_are_ready) {
  const unsigned slow = post(t_late, 1500), quick = post(t_late, 1);
  ASSERT_TRUE(rig.is_answered(quick));
  EXPECT_FALSE(shm::test(rig.host.finished(), slow));
  rig.await<std::int32_t>(quick);
  rig.await<std::int32_t>(slow);
}

TEST_F(worker_coroutine, plain_calls_run_while_coroutines_wait) {
  const unsigned slow = post(t_late, 3000);
  for (std::int64_t i = 0; i < 200; ++i) {
    ASSERT_EQ(rig.await<std::int64_t>(post(t_plain, i)), i + 1);
    if (i % 20 == 0) ::usleep(1000);  // long enough for it to sleep in its event loop
  }
  EXPECT_FALSE(shm::test(rig.host.finished(), slow));
  rig.await<std::int32_t>(slow);
}

TEST_F(worker_coroutine, a_worker_with_waiting_coroutines_sleeps_in_its_event_loop_and_is_woken_there) {
  const unsigned slow = post(t_late, 400);
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(rig.eventually([&] { return rig.worker_is_parked(); }));
    ASSERT_EQ(rig.await<std::int64_t>(post(t_plain, i)), i + 1);
  }
  rig.await<std::int32_t>(slow);
}

TEST_F(worker_coroutine, an_exception_before_or_after_the_first_wait_fails_its_call) {
  const unsigned before = post(t_throws_early, 0), after = post(t_throws_late, 20);
  EXPECT_EQ(rig.await_status(before), response_status::exception);
  EXPECT_EQ(rig.await_status(after), response_status::exception);
  EXPECT_EQ(rig.await<std::int64_t>(post(t_plain, 1)), 2);
}

TEST_F(worker_coroutine, a_started_one_can_be_aborted_among_others) {
  const unsigned first = post(t_stops, 0), second = post(t_stops, 0);
  ASSERT_TRUE(rig.eventually([&] { return shm::test(rig.host.started(), second); }));
  rig.host.raise_abort(first);
  EXPECT_GE(rig.await<std::int32_t>(first), 0);
  EXPECT_FALSE(shm::test(rig.host.finished(), second));
  rig.host.raise_abort(second);
  rig.await<std::int32_t>(second);
}

// The one that ends leaves the worker asleep in its event loop, for the other still waits.
TEST_F(worker_coroutine, a_call_starts_when_it_is_taken_and_not_when_the_last_one_ended) {
  constexpr std::uint64_t second_ns = 1'000'000'000;
  const unsigned slow = post(t_late, 2000);
  ASSERT_TRUE(rig.is_answered(post(t_two_steps, 1)));
  ASSERT_TRUE(rig.eventually([&] { return rig.worker_is_parked(); }));
  ::usleep(1'100'000);
  const std::uint64_t posted_ns = base::now_ns();
  const unsigned stopped = rig.post(t_stops, std::int64_t{0}, {.limit_ns = 2 * second_ns, .grace_us = 1'000'000});
  ASSERT_TRUE(rig.eventually([&] { return shm::test(rig.host.started(), stopped); }));
  EXPECT_GE(rig.host.response(stopped).started_at_ns.load(), posted_ns);
  EXPECT_GT(rig.await<std::int32_t>(stopped), 0) << "its signal was raised before it began";
  rig.await<std::int32_t>(slow);
}

TEST_F(worker_coroutine, views_of_the_arguments_live_until_the_answer) {
  std::vector<std::pair<unsigned, std::string>> calls;
  for (std::size_t i = 0; i < 50; ++i) {
    const std::string text(100 + i * 20, static_cast<char>('a' + i % 26));
    calls.emplace_back(rig.post_bytes(t_echo, std::as_bytes(std::span(text))), text);
  }
  for (const auto& [slot, text] : calls) {
    rig.await_response(slot);
    const auto bytes = rig.payload(slot);
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()), text);
    rig.take(slot);
  }
}

TEST_F(worker_coroutine, a_crash_in_one_is_recorded_and_every_started_one_was_in_flight) {
  const unsigned waiting = post(t_late, 60'000), fatal = rig.post(t_crashes_late, std::int64_t{10}, {.call_id = 1000});
  EXPECT_TRUE(WIFSIGNALED(rig.wait_for_the_end()));
  EXPECT_EQ(rig.host.started(), shm::bit(waiting) | shm::bit(fatal));
  EXPECT_EQ(rig.host.crash().kind.load(), static_cast<std::uint32_t>(shm::crash_kind::signal));
  EXPECT_EQ(rig.host.crash().call_id, 0U) << "whose handler it was is not known with two of them";
}

TEST_F(worker_coroutine, a_crash_of_the_only_one_names_it) {
  rig.post(t_crashes_late, std::int64_t{10}, {.call_id = 1000});
  EXPECT_TRUE(WIFSIGNALED(rig.wait_for_the_end()));
  EXPECT_EQ(rig.host.crash().call_id, 1000U);
}

TEST_F(worker_coroutine, a_retiring_worker_finishes_what_it_has_started_and_starts_nothing) {
  const unsigned slow = post(t_late, 200);
  ASSERT_TRUE(rig.eventually([&] { return shm::test(rig.host.started(), slow) && rig.worker_is_parked(); }));
  rig.orders().retire.store(rig.epoch());
  const unsigned refused = post(t_plain, 1);
  EXPECT_EQ(rig.wait_for_the_end(), 0);
  EXPECT_TRUE(shm::test(rig.host.finished(), slow));
  EXPECT_FALSE(shm::test(rig.host.started(), refused));
}

TEST_F(worker_coroutine, the_lane_goes_around_many_times_with_a_mixture) {
  std::vector<std::pair<unsigned, std::int64_t>> in_flight;
  for (std::int64_t i = 0; i < 3000; ++i) {
    if (in_flight.size() == 50) {
      const auto [slot, expected] = in_flight.front();
      in_flight.erase(in_flight.begin());
      ASSERT_EQ(rig.await<std::int64_t>(slot), expected);
    }
    const bool coroutine = i % 3 != 0;
    in_flight.emplace_back(post(coroutine ? t_at_once : t_plain, i), coroutine ? 2 * i : i + 1);
  }
  for (const auto& [slot, expected] : in_flight) ASSERT_EQ(rig.await<std::int64_t>(slot), expected);
}

}  // namespace
}  // namespace selvage::test

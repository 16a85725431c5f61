// What a worker does with well-behaved calls: order, answers, parking, recall, retiring.
#include <gtest/gtest.h>

#include <stdexcept>

#include "schema/exception_report.hpp"
#include "selvage/error.hpp"
#include "tests/crash/lane_rig.hpp"

namespace selvage::test {
namespace {

struct pair {
  std::int32_t a, b;
};

void add(const void*, call_context& context) {
  const auto given = argument<pair>(context);
  answer(context, given.a + given.b);
}

void sleep_ms(const void*, call_context& context) {
  ::usleep(argument<std::uint32_t>(context) * 1000);
  answer_nothing(context);
}

// Counts the calls of this worker.
void count(const void*, call_context& context) {
  static std::int32_t calls = 0;
  answer(context, ++calls);
}

TEST(worker_loop, a_call_gets_its_answer) {
  lane_rig rig({{"add", nullptr, &add}});
  rig.start_worker();
  EXPECT_EQ(rig.await<std::int32_t>(rig.post(0, pair{1, 2})), 3);
}

TEST(worker_loop, a_thousand_calls_go_around_the_ring_in_order) {
  lane_rig rig({{"count", nullptr, &count}});
  rig.start_worker();
  for (std::int32_t i = 1; i <= 1000; ++i) ASSERT_EQ(rig.await<std::int32_t>(rig.post(0)), i);
}

TEST(worker_loop, a_full_mailbox_is_served_first_in_first_out) {
  lane_rig rig({{"count", nullptr, &count}});
  rig.start_worker();
  std::int32_t expected = 0;
  for (int round = 0; round < 50; ++round) {
    std::vector<unsigned> slots;
    for (unsigned i = 0; i < shm::slots_per_lane - 7; ++i) slots.push_back(rig.post(0));
    for (const unsigned slot : slots) ASSERT_EQ(rig.await<std::int32_t>(slot), ++expected);
  }
}

TEST(worker_loop, an_answer_names_its_call_and_says_how_long_it_took) {
  lane_rig rig({{"sleep", nullptr, &sleep_ms}});
  rig.start_worker();
  const unsigned slot = rig.post(0, std::uint32_t{20}, {.call_id = 4711});
  const shm::response_header& header = rig.await_response(slot);
  EXPECT_EQ(header.call_id, 4711U);
  EXPECT_GE(header.service_ns, 20'000'000U);
  EXPECT_GE(header.started_at_ns.load(), rig.host.header(slot).posted_at_ns.load());
}

TEST(worker_loop, a_parked_worker_is_woken_by_a_call) {
  lane_rig rig({{"add", nullptr, &add}});
  rig.start_worker();
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(rig.eventually([&] { return rig.worker_is_parked(); }));
    ASSERT_EQ(rig.await<std::int32_t>(rig.post(0, pair{i, i})), 2 * i);
  }
}

TEST(worker_loop, a_worker_that_may_not_spin_parks_at_once_and_loses_no_wake_up) {
  lane_rig rig({{"add", nullptr, &add}}, {.spin = std::chrono::nanoseconds(0)});
  rig.start_worker();
  for (int i = 0; i < 20'000; ++i) ASSERT_EQ(rig.await<std::int32_t>(rig.post(0, pair{i, 1})), i + 1);
}

TEST(worker_loop, a_recalled_call_is_skipped) {
  lane_rig rig({{"sleep", nullptr, &sleep_ms}, {"count", nullptr, &count}});
  rig.start_worker();
  const unsigned first = rig.post(0, std::uint32_t{1000});
  ASSERT_TRUE(rig.eventually([&] { return shm::test(rig.host.started(), first); }));
  const unsigned second = rig.post(1), third = rig.post(1);
  EXPECT_TRUE(rig.host.recall(second));
  EXPECT_FALSE(rig.host.recall(first)) << "it runs already";
  EXPECT_EQ(rig.await_status(first), shm::response_status::ok);
  EXPECT_EQ(rig.await_status(second), shm::response_status::skipped);
  EXPECT_EQ(rig.await<std::int32_t>(third), 1) << "only the third one ran";
}

TEST(worker_loop, a_slot_that_was_recalled_once_is_good_for_another_call) {
  lane_rig rig({{"sleep", nullptr, &sleep_ms}, {"count", nullptr, &count}});
  rig.start_worker();
  for (int round = 1; round <= 3 * static_cast<int>(shm::slots_per_lane); ++round) {
    const unsigned first = rig.post(0, std::uint32_t{0});
    const unsigned second = rig.post(1);
    const bool taken_back = rig.host.recall(second);
    EXPECT_EQ(rig.await_status(first), shm::response_status::ok);
    const auto status = rig.await_status(second);
    EXPECT_TRUE(!taken_back || status == shm::response_status::skipped);
  }
  EXPECT_EQ(rig.await_status(rig.post(1)), shm::response_status::ok);
}

TEST(worker_loop, an_unknown_task_fails_its_call_only) {
  lane_rig rig({{"add", nullptr, &add}});
  rig.start_worker();
  EXPECT_EQ(rig.await_status(rig.post(7)), shm::response_status::exception);
  EXPECT_EQ(rig.await<std::int32_t>(rig.post(0, pair{2, 2})), 4);
}

TEST(worker_loop, a_thunk_that_forgets_its_answer_fails_its_call) {
  lane_rig rig({{"silent", nullptr, [](const void*, call_context&) {}}});
  rig.start_worker();
  EXPECT_EQ(rig.await_status(rig.post(0)), shm::response_status::exception);
}

TEST(worker_loop, a_retiring_worker_ends_between_two_calls_and_leaves_the_rest_posted) {
  static int finalized[2];
  base::check(::pipe(finalized), "pipe");
  lane_rig rig({{"sleep", nullptr, &sleep_ms}, {"count", nullptr, &count}},
               {.inherit = {finalized[1]}, .finalizer = [] { (void)!::write(finalized[1], "f", 1); }});
  rig.start_worker();
  const unsigned running = rig.post(0, std::uint32_t{50});
  ASSERT_TRUE(rig.eventually([&] { return shm::test(rig.host.started(), running); }));
  const unsigned waiting = rig.post(1);
  rig.retire();
  EXPECT_EQ(rig.wait_for_the_end(), 0);
  EXPECT_TRUE(shm::test(rig.host.finished(), running));
  EXPECT_FALSE(shm::test(rig.host.started(), waiting));
  EXPECT_FALSE(shm::test(rig.host.finished(), waiting));
  ::close(finalized[1]);
  char mark = 0;
  EXPECT_EQ(::read(finalized[0], &mark, 1), 1) << "the finalizer did not run";
}

TEST(worker_loop, a_parked_worker_retires) {
  lane_rig rig({{"add", nullptr, &add}});
  rig.start_worker();
  rig.retire();
  EXPECT_EQ(rig.wait_for_the_end(), 0);
}

TEST(worker_loop, a_worker_waits_for_its_epoch_before_it_touches_the_responses) {
  lane_rig rig({{"add", nullptr, &add}});
  rig.start_worker();
  const unsigned slot = rig.post(0, pair{20, 3});
  ASSERT_TRUE(rig.is_answered(slot));
  ::kill(rig.pid(), SIGKILL);
  rig.wait_for_the_end();
  rig.fork_worker();
  ::usleep(100'000);
  EXPECT_TRUE(shm::test(rig.host.finished(), slot)) << "the old answer is still there";
  EXPECT_EQ(rig.await<std::int32_t>(slot), 23);
  rig.open();
  EXPECT_EQ(rig.await<std::int32_t>(rig.post(0, pair{5, 5})), 10);
}

TEST(worker_loop, a_worker_that_is_told_to_retire_before_its_epoch_opens_ends) {
  lane_rig rig({{"add", nullptr, &add}});
  rig.fork_worker();
  rig.retire();
  EXPECT_EQ(rig.wait_for_the_end(), 0);
}

TEST(worker_loop, an_idle_worker_uses_no_processor_time) {
  lane_rig rig({{"add", nullptr, &add}});
  rig.start_worker();
  for (int i = 0; i < 100; ++i) rig.await<std::int32_t>(rig.post(0, pair{1, 1}));
  ASSERT_TRUE(rig.eventually([&] { return rig.worker_is_parked(); }));
  ::usleep(300'000);
  const auto used = [&] {
    clockid_t clock = 0;
    ::clock_getcpuclockid(rig.pid(), &clock);
    timespec time = {};
    ::clock_gettime(clock, &time);
    return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
  };
  const std::int64_t before = used();
  ::usleep(500'000);
  EXPECT_EQ(used() - before, 0) << "nothing woke it, so it did not run";
}

}  // namespace
}  // namespace selvage::test

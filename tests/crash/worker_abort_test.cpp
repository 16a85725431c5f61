// The abort signal of a running call, raised by the host's bit or by the end of its time before the grace.
#include <gtest/gtest.h>

#include <thread>

#include "schema/exception_report.hpp"
#include "selvage/abort_signal.hpp"
#include "tests/crash/lane_rig.hpp"

namespace selvage::test {
namespace {

void wait_for_abort(const void*, call_context& context) {
  const abort_signal stop = context.abort;
  answer(context, std::int32_t{stop.wait_for(std::chrono::minutes(10))});
}
void spin_for_abort(const void*, call_context& context) {
  while (!context.abort.requested()) {
  }
  answer(context, std::int32_t{1});
}
void spin_and_throw(const void*, call_context& context) {
  for (;;) context.abort.throw_if_requested();
}
void look_once(const void*, call_context& context) { answer(context, std::int32_t{context.abort.requested()}); }
void wait_for_a_moment(const void*, call_context& context) {
  answer(context, std::int32_t{context.abort.wait_for(std::chrono::milliseconds(5))});
}

class worker_abort : public testing::Test {
 protected:
  lane_rig rig{{{"wait", nullptr, &wait_for_abort},
                {"spin", nullptr, &spin_for_abort},
                {"throw", nullptr, &spin_and_throw},
                {"look", nullptr, &look_once},
                {"moment", nullptr, &wait_for_a_moment}}};

  void SetUp() override { rig.start_worker(); }

  void abort(unsigned slot) {
    ASSERT_TRUE(rig.eventually([&] { return shm::test(rig.host.started(), slot); }));
    rig.host.raise_abort(slot);
    shm::ring(rig.host.worker_doorbell());  // a task that waits for it is not parked as far as the lane knows
  }
};

TEST_F(worker_abort, a_task_that_sleeps_is_woken) {
  const unsigned slot = rig.post(0);
  abort(slot);
  EXPECT_EQ(rig.await<std::int32_t>(slot), 1);
}

TEST_F(worker_abort, a_task_that_looks_sees_it) {
  const unsigned slot = rig.post(1);
  abort(slot);
  EXPECT_EQ(rig.await<std::int32_t>(slot), 1);
}

TEST_F(worker_abort, throw_if_requested_throws_a_selvage_error) {
  const unsigned slot = rig.post(2);
  abort(slot);
  EXPECT_EQ(rig.await_response(slot).status, static_cast<std::uint8_t>(shm::response_status::exception));
  EXPECT_EQ(schema::decode(rig.payload(slot))->type, "selvage::error");
}

TEST_F(worker_abort, the_next_calls_in_the_same_slot_are_not_aborted) {
  for (unsigned round = 0; round < 2 * shm::slots_per_lane; ++round) {
    const unsigned aborted = rig.post(1);
    abort(aborted);
    EXPECT_EQ(rig.await<std::int32_t>(aborted), 1);
    EXPECT_EQ(rig.await<std::int32_t>(rig.post(3)), 0);
  }
}

TEST_F(worker_abort, waiting_ends_when_its_time_is_over) { EXPECT_EQ(rig.await<std::int32_t>(rig.post(4)), 0); }

TEST_F(worker_abort, the_grace_raises_the_signal_before_the_hard_limit) {
  const std::uint64_t limit = 10'000'000'000;
  for (const std::uint16_t task : {std::uint16_t{0}, std::uint16_t{1}}) {
    const unsigned slot = rig.post(task, 0, {.limit_ns = limit, .grace_us = 9'950'000});
    EXPECT_EQ(rig.await<std::int32_t>(slot), 1);
    const shm::response_header& header = rig.host.response(slot);
    EXPECT_GE(header.service_ns, 50'000'000U);
  }
}

TEST_F(worker_abort, a_limit_without_grace_raises_nothing) {
  EXPECT_EQ(rig.await<std::int32_t>(rig.post(4, 0, {.limit_ns = 1})), 0);
}

TEST_F(worker_abort, a_grace_longer_than_the_limit_raises_the_signal_at_once) {
  EXPECT_EQ(rig.await<std::int32_t>(rig.post(3, 0, {.limit_ns = 1000, .grace_us = 1000})), 1);
}

TEST(abort_signal, one_that_belongs_to_no_call_is_never_raised) {
  const abort_signal none;
  EXPECT_FALSE(none.requested());
  EXPECT_FALSE(none.wait_for(std::chrono::milliseconds(1)));
  EXPECT_NO_THROW(none.throw_if_requested());
}

}  // namespace
}  // namespace selvage::test

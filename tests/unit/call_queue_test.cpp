// The queue of calls that wait in the host: order, bounds, calls that leave from the middle, and who owns what.

#include "pool/call_queue.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace selvage::host {
namespace {

/// A call that counts itself, so that the test sees what is let go.
class counted_call final : public detail::call_state {
 public:
  counted_call(int& alive, int name) : name(name), alive_(alive) { ++alive_; }
  ~counted_call() override { --alive_; }
  std::string receive(const detail::payload_view&) override { return {}; }

  const int name;

 private:
  int& alive_;
};

class call_queue_of : public ::testing::Test {
 protected:
  call_queue_of() = default;
  ~call_queue_of() override { EXPECT_EQ(alive_, 0); }

  call_queue::call_ptr call(int name, std::size_t bytes = 0) {
    call_queue::call_ptr made(new counted_call(alive_, name));
    made->kept.capacity = bytes;
    return made;
  }
  std::vector<int> drain(call_queue& queue) {
    std::vector<int> names;
    while (auto next = queue.pop()) names.push_back(static_cast<counted_call*>(next.get())->name);
    return names;
  }

  int alive_ = 0;
};

TEST_F(call_queue_of, nothing_is_empty) {
  call_queue queue(1, 100);
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.size(), 0U);
  EXPECT_EQ(queue.front(), nullptr);
  EXPECT_FALSE(queue.pop());
}

TEST_F(call_queue_of, many_is_first_in_first_out) {
  call_queue queue(100, 100);
  for (int i = 0; i < 10; ++i) queue.push_back(call(i));
  EXPECT_EQ(queue.size(), 10U);
  EXPECT_EQ(drain(queue), (std::vector{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  EXPECT_TRUE(queue.empty());
}

TEST_F(call_queue_of, what_comes_back_goes_to_the_front) {
  call_queue queue(100, 100);
  queue.push_front(call(2));
  queue.push_back(call(3));
  queue.push_front(call(1));
  queue.push_back(call(4));
  EXPECT_EQ(drain(queue), (std::vector{1, 2, 3, 4}));
}

TEST_F(call_queue_of, calls_leave_from_the_front_the_middle_and_the_end) {
  call_queue queue(100, 100);
  std::vector<detail::call_state*> made;
  for (int i = 0; i < 6; ++i) {
    auto next = call(i);
    made.push_back(next.get());
    queue.push_back(std::move(next));
  }
  for (const std::size_t gone : {0U, 3U, 5U}) EXPECT_EQ(queue.take_out(*made[gone]).get(), made[gone]);
  EXPECT_EQ(alive_, 3);  // nothing is kept of those who left
  EXPECT_EQ(queue.size(), 3U);
  EXPECT_EQ(queue.front(), made[1]);
  EXPECT_EQ(drain(queue), (std::vector{1, 2, 4}));
  EXPECT_TRUE(queue.empty());
}

TEST_F(call_queue_of, a_queue_that_everybody_left_takes_calls_again) {
  call_queue queue(2, 100);
  for (int round = 0; round < 3; ++round) {
    auto a = call(10 + round);
    auto* const left = a.get();
    queue.push_back(std::move(a));
    (void)queue.take_out(*left);
    EXPECT_TRUE(queue.empty());
    EXPECT_EQ(queue.front(), nullptr);
    queue.push_back(call(round));
    EXPECT_EQ(drain(queue), (std::vector{round}));
  }
}

TEST_F(call_queue_of, the_bound_on_calls_is_exact_and_those_who_left_do_not_count) {
  call_queue queue(2, 100);
  EXPECT_TRUE(queue.has_room_for(0));
  auto first = call(1);
  auto* const leaving = first.get();
  queue.push_back(std::move(first));
  EXPECT_TRUE(queue.has_room_for(0));
  queue.push_back(call(2));
  EXPECT_FALSE(queue.has_room_for(0));
  (void)queue.take_out(*leaving);
  EXPECT_TRUE(queue.has_room_for(0));
}

TEST_F(call_queue_of, the_bound_on_bytes_is_exact_and_is_given_back) {
  call_queue queue(100, 100);
  queue.push_back(call(1, 60));
  EXPECT_TRUE(queue.has_room_for(40));
  EXPECT_FALSE(queue.has_room_for(41));
  (void)queue.pop();
  EXPECT_TRUE(queue.has_room_for(100));
}

TEST_F(call_queue_of, one_payload_over_the_whole_bound_passes_when_it_is_alone) {
  call_queue queue(100, 100);
  EXPECT_TRUE(queue.has_room_for(1'000));
  queue.push_back(call(1, 1'000));
  EXPECT_FALSE(queue.has_room_for(1));
  EXPECT_FALSE(queue.has_room_for(1'000));
}

TEST_F(call_queue_of, destruction_lets_every_call_go) {
  call_queue queue(100, 100);
  for (int i = 0; i < 5; ++i) queue.push_back(call(i));
  EXPECT_EQ(alive_, 5);
}

}  // namespace
}  // namespace selvage::host

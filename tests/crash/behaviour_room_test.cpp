// A caller that waits for room in the queue: it gets it, or hears that there will be none.

#include <gtest/gtest.h>

#include <stop_token>
#include <thread>

#include "tests/support/pool_fixture.hpp"
#include "tests/support/shared_words.hpp"

namespace selvage::test {
namespace {

class room_in_the_queue : public pool_survives {
 protected:
  /// One worker that is busy until the gate opens, with as many calls queued behind it as the queue takes.
  struct full_pool {
    full_pool(room_in_the_queue& test, const gate& gate, pool_options options)
        : held("held", [&gate] { gate.pass(); }), pool(test.watched(std::move(options)), held, add) {
      busy = pool.call(held);
      while (auto more = pool.try_call(held)) queued.push_back(std::move(*more));
    }
    task<std::function<void()>> held;
    selvage::pool pool;
    future<void> busy;
    std::vector<future<void>> queued;
  };
  const gate gate_;
};

std::thread caller_that_is_stopped(pool& full, const std::stop_source& stop) {
  return std::thread([&full, &stop] {
    auto call = full.call_with({.stop = stop.get_token()}, add, 1, 2);
    EXPECT_EQ(code_of(call.result()), errc::aborted);
  });
}

TEST_F(room_in_the_queue, a_stop_request_ends_the_wait_for_room) {
  full_pool full(*this, gate_, {.workers = 1, .queue = 2, .depth = {.maximum = 1}});
  std::stop_source stop;
  std::thread caller = caller_that_is_stopped(full.pool, stop);
  ::usleep(10'000);
  stop.request_stop();
  caller.join();  // while the worker is held up
  gate_.open();
  full.busy.get();
  expect_usable(full.pool);
}

TEST_F(room_in_the_queue, a_stop_request_ends_the_wait_for_room_beside_a_collector) {
  full_pool full(*this, gate_, {.workers = 1, .queue = 2, .depth = {.maximum = 1}});
  std::thread collector([&] { full.busy.get(); });
  ::usleep(10'000);
  std::stop_source stop;
  std::thread caller = caller_that_is_stopped(full.pool, stop);
  ::usleep(10'000);
  stop.request_stop();
  caller.join();
  gate_.open();
  collector.join();
}

TEST_F(room_in_the_queue, a_caller_that_waits_for_room_is_told_that_the_pool_closes) {
  full_pool full(*this, gate_, {.workers = 1, .queue = 2, .depth = {.maximum = 1}});
  std::thread caller([&] { EXPECT_EQ(code_of(full.pool.call(add, 1, 2).result()), errc::pool_closed); });
  ::usleep(10'000);
  std::thread closer([&] { full.pool.shutdown(1h); });
  caller.join();  // while what was queued before may still run
  gate_.open();
  closer.join();  // ends when nothing is left, not after an hour
  full.busy.get();
  for (auto& each : full.queued) each.get();
}

TEST_F(room_in_the_queue, the_inline_lane_makes_room_for_a_caller_that_waits_for_it) {
  const auto held = task("held", [this] { gate_.pass(); });
  pool pool(watched({.workers = 1,
                     .queue = 1,
                     .depth = {.maximum = 1},
                     .inline_lane = {.where = inline_options::position::last, .threshold = 2}}),
            held, add);
  auto busy = pool.call(held);
  std::thread collector([&] { busy.wait(); });
  ::usleep(10'000);
  auto queued = pool.call(add, 1, 2);
  future<int> third;
  std::thread caller([&] { third = pool.call(add, 3, 4); });
  ::usleep(10'000);
  EXPECT_EQ(queued.get(), 3);  // here: the worker is held up
  caller.join();
  gate_.open();
  EXPECT_EQ(third.get(), 7);
  collector.join();
}

}  // namespace
}  // namespace selvage::test

// What belongs to the program never runs under the pool's lock: it may use the pool, from wherever it is called.

#include <gmock/gmock.h>

#include <atomic>

#include "tests/support/pool_fixture.hpp"
#include "tests/support/shared_words.hpp"

namespace selvage::test {
namespace {

class the_lock : public pool_survives {};

const auto length = task("length", [](std::string_view text) { return text.size(); });

TEST_F(the_lock, is_not_held_while_what_a_callback_captured_is_destroyed) {
  const gate gate;
  const auto held = task("held", [&gate] { gate.pass(); });
  std::atomic<int> gone{0};
  pool pool(watched({.workers = 1}), held, add);
  const auto last_words = [&] {
    return std::shared_ptr<void>(nullptr, [&](void*) {
      (void)pool.stats();
      EXPECT_EQ(pool.call(add, 1, 2).get(), 3);
      ++gone;
    });
  };
  pool.call(held).then([words = last_words()](const auto&) {});
  pool.call(held).then([words = last_words()](const auto&) {});
  gate.open();
  EXPECT_TRUE(holds_in_the_end([&] { return gone == 2; }));
}

TEST_F(the_lock, is_not_held_while_an_argument_is_built_in_place_however_small) {
  pool pool(watched({.workers = 2}), length, add);
  for (const std::size_t size : {1U, 80U, 81U, 4096U, 4097U}) {
    auto call = pool.call(length, in_place(size, [&](std::span<std::byte> out) {
                            (void)pool.stats();
                            EXPECT_EQ(pool.call(add, 1, 2).get(), 3);
                            std::fill(out.begin(), out.end(), std::byte{'x'});
                          }));
    EXPECT_EQ(call.get(), size);
  }
}

TEST_F(the_lock, is_not_held_while_an_argument_is_built_for_the_queue) {
  const gate gate;
  const auto held = task("held", [&gate] { gate.pass(); });
  pool pool(watched({.workers = 1, .depth = {.maximum = 1}}), held, length);
  auto busy = pool.call(held);
  auto call = pool.call(length, in_place(100, [&](std::span<std::byte> out) {
                          EXPECT_EQ(pool.stats().in_flight, 1U);
                          std::fill(out.begin(), out.end(), std::byte{'x'});
                        }));
  EXPECT_EQ(pool.stats().queued, 1U);
  gate.open();
  EXPECT_EQ(call.get(), 100U);
  busy.get();
}

TEST_F(the_lock, is_free_again_after_an_argument_that_could_not_be_built) {
  pool pool(watched({.workers = 1}), length, add);
  for (const std::size_t size : {100U, 5000U}) {
    const auto fails = [](std::span<std::byte>) { throw std::runtime_error("no camera"); };
    EXPECT_THROW((void)pool.call(length, in_place(size, fails)), std::runtime_error);
  }
  expect_usable(pool);
  pool.shutdown(1h);  // ends at once: nothing is left over
}

}  // namespace
}  // namespace selvage::test

// BEHAVIOURS, "Pressure": a full mailbox keeps a backlog, a full arena makes the caller wait, and nothing that fits
// fails.

#include <gmock/gmock.h>

#include <thread>

#include "tests/support/pool_fixture.hpp"
#include "tests/support/random.hpp"
#include "tests/support/shared_words.hpp"

namespace selvage::test {
namespace {

class pressure : public pool_survives {};

// A sum that tells every byte and its place.
std::uint64_t digest(std::span<const std::byte> bytes) {
  std::uint64_t sum = bytes.size();
  for (const std::byte each : bytes) sum = sum * 31 + static_cast<std::uint64_t>(each);
  return sum;
}

// "A full mailbox keeps a backlog and loses nothing": far more calls than slots and queue hold together.
TEST_F(pressure, a_full_mailbox_keeps_a_backlog_and_loses_nothing) {
  const gate gate;
  const auto held = task("held", [&gate](int value) {
    gate.pass();
    return value;
  });
  pool pool(watched({.workers = 1, .queue = 10'000, .depth = {.maximum = 64, .window = 1h}}), held);
  std::vector<future<int>> calls;
  for (int i = 0; i < 5000; ++i) calls.push_back(pool.call(held, i));
  EXPECT_GE(pool.stats().queued, 4900U);
  gate.open();
  for (int i = 0; i < 5000; ++i) ASSERT_EQ(calls[static_cast<std::size_t>(i)].get(), i);
  EXPECT_EQ(pool.stats().queued, 0U);
}

TEST_F(pressure, try_call_says_that_the_queue_is_full_and_call_waits) {
  const gate gate;
  const auto held = task("held", [&gate](int value) {
    gate.pass();
    return value;
  });
  pool pool(watched({.workers = 1, .queue = 2, .depth = {.maximum = 1}}), held);
  std::vector<future<int>> calls;
  for (int i = 0; i < 3; ++i) calls.push_back(pool.call(held, i));
  const auto refused = pool.try_call(held, 9);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), errc::queue_full);
  EXPECT_EQ(refused.error().details().task, "held");
  std::atomic<bool> accepted{false};
  std::thread waiting([&] {
    auto late = pool.call(held, 3);
    accepted = true;
    EXPECT_EQ(late.get(), 3);
  });
  ::usleep(50'000);
  EXPECT_FALSE(accepted);
  gate.open();
  waiting.join();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(calls[static_cast<std::size_t>(i)].get(), i);
  auto taken = pool.try_call(held, 4);
  ASSERT_TRUE(taken.has_value());
  EXPECT_EQ(taken->get(), 4);
}

// To keep a large payload in the host is to copy it once more; a short one waits there.
TEST_F(pressure, large_arguments_are_posted_ahead_rather_than_kept) {
  const gate gate;
  const auto held = task("held", [&gate](std::span<const std::byte> in) {
    gate.pass();
    return in.size();
  });
  pool pool(watched({.workers = 1, .depth = {.window = 100us}}), held);
  std::vector<future<std::size_t>> calls;
  const std::vector<std::byte> large((1_MiB).count);
  for (int i = 0; i < 20; ++i) calls.push_back(pool.call(held, large));
  EXPECT_EQ(pool.stats().queued, 0U);
  EXPECT_EQ(pool.stats().in_flight, 20U);
  calls.push_back(pool.call(held, std::vector<std::byte>(16)));
  EXPECT_EQ(pool.stats().queued, 1U);
  gate.open();
  for (std::size_t i = 0; i < 20; ++i) EXPECT_EQ(calls[i].get(), large.size());
  EXPECT_EQ(calls[20].get(), 16U);
}

// Not all at once into memory that nobody wants yet: their pages would be new each time.
TEST_F(pressure, large_answers_are_copied_as_they_are_asked_for) {
  constexpr std::uint64_t count = 12;
  const shared_words done(1);
  const auto echo = task("echo", [&done](std::span<const std::byte> in) {
    done[0].fetch_add(1);
    return in;
  });
  const auto here = std::this_thread::get_id();
  std::atomic<unsigned> settled_here{0};
  pool pool(watched({.workers = 1,
                     .on_event =
                         [&](const event& what) {
                           if (what.kind == event_kind::call_settled && std::this_thread::get_id() == here)
                             ++settled_here;
                         }}),
            echo);
  const std::vector<std::byte> large((1_MiB).count, std::byte{7});
  std::vector<future<std::vector<std::byte>>> calls;
  for (std::uint64_t i = 0; i < count; ++i) calls.push_back(pool.call(echo, large));
  ASSERT_TRUE(holds_in_the_end([&] { return done[0].load() == count; }));
  for (auto& call : calls) {
    settled_here = 0;
    EXPECT_EQ(call.get(), large);
    EXPECT_LE(settled_here.load(), 1U);
  }
}

// "a full arena makes the caller wait, never fails a call that fits when the arena is empty (a predecessor rejects 1 to
// 7 of sixteen 8 MiB calls)"
TEST_F(pressure, sixteen_calls_of_8_mib_go_through_an_arena_of_64_mib) {
  const auto echo = task("echo", [](std::span<const std::byte> in) { return in; });
  pool pool(watched({.workers = 1}), echo);
  std::vector<std::vector<std::byte>> sent;
  std::vector<future<std::vector<std::byte>>> calls;
  for (int i = 0; i < 16; ++i) {
    sent.emplace_back((8_MiB).count, static_cast<std::byte>(i));
    calls.push_back(pool.call(echo, sent.back()));
  }
  for (std::size_t i = 0; i < 16; ++i) {
    const auto outcome = calls[i].result();
    ASSERT_TRUE(outcome.has_value()) << outcome.error().what();
    ASSERT_TRUE(*outcome == sent[i]) << i;
  }
}

// "thousands of tasks through a small arena with random sizes never overlap"
TEST_F(pressure, thousands_of_random_sizes_through_64_kib_never_overlap) {
  tests::random_source random;
  const auto echo =
      task("echo", [](std::span<const std::byte> in) { return std::vector<std::byte>(in.begin(), in.end()); });
  for (const bool growable : {true, false}) {
    pool pool(watched({.workers = 2,
                       .arena = {.initial = 4_KiB, .maximum = 64_KiB, .growable = growable},
                       .payload_cap = 64_KiB}),
              echo);
    std::vector<std::uint64_t> expected;
    std::vector<future<std::vector<std::byte>>> calls;
    for (int i = 0; i < 3000; ++i) {
      std::vector<std::byte> bytes(random.below(random.one_in(8) ? 65'537 : random.one_in(2) ? 3000 : 120));
      for (std::byte& each : bytes) each = static_cast<std::byte>(i + (&each - bytes.data()));
      expected.push_back(digest(bytes));
      calls.push_back(pool.call(echo, bytes));
    }
    for (std::size_t i = 0; i < calls.size(); ++i) {
      const auto outcome = calls[i].result();
      ASSERT_TRUE(outcome.has_value()) << i << ": " << outcome.error().what();
      ASSERT_EQ(digest(*outcome), expected[i]) << i;
    }
  }
}

TEST_F(pressure, results_much_larger_than_arguments_wait_for_the_host_to_take_them) {
  const auto make =
      task("make", [](std::uint64_t size, int letter) { return std::string(size, static_cast<char>(letter)); });
  pool pool(watched({.workers = 1, .arena = {.initial = 64_KiB, .maximum = 64_KiB}, .payload_cap = 64_KiB}), make);
  std::vector<future<std::string>> calls;
  for (int i = 0; i < 300; ++i) calls.push_back(pool.call(make, 50'000, i % 128));
  for (int i = 0; i < 300; ++i)
    ASSERT_EQ(calls[static_cast<std::size_t>(i)].get(), std::string(50'000, static_cast<char>(i % 128)));
}

// "arguments are released as soon as the call is done": no result is read while 200 arenas' worth of arguments go
// through.
TEST_F(pressure, arguments_are_released_as_soon_as_the_call_is_done) {
  const auto length = task("length", [](std::string_view text) { return text.size(); });
  pool pool(watched({.workers = 1, .arena = {.initial = 64_KiB, .maximum = 64_KiB}, .payload_cap = 64_KiB, .queue = 1}),
            length);
  std::vector<future<std::size_t>> unread;
  for (int i = 0; i < 200; ++i) unread.push_back(pool.call(length, std::string(60'000, 'x')));
  for (auto& call : unread) EXPECT_EQ(call.get(), 60'000U);
}

// "a caller that stops reading results holds back only itself"
TEST_F(pressure, a_caller_that_stops_reading_holds_back_only_itself) {
  const auto make = task("make", [](std::uint64_t size) { return std::string(size, 'x'); });
  pool pool(watched({.workers = 1, .arena = {.initial = 64_KiB, .maximum = 64_KiB}, .payload_cap = 64_KiB}), make, add);
  std::vector<future<std::string>> unread;
  for (int i = 0; i < 100; ++i) unread.push_back(pool.call(make, 30'000));
  std::thread reader([&] {
    for (int i = 0; i < 500; ++i) EXPECT_EQ(pool.call(add, i, 1).get(), i + 1);
  });
  reader.join();
  for (auto& call : unread) EXPECT_EQ(call.get().size(), 30'000U);
}

// A result that has to wait until the host has taken another one is not the task's time.
TEST_F(pressure, a_caller_that_stops_reading_costs_no_worker_its_limit) {
  const auto make = task("make", [](std::uint64_t size) { return std::string(size, 'x'); });
  pool pool(watched({.workers = 1,
                     .arena = {.initial = 64_KiB, .maximum = 64_KiB},
                     .payload_cap = 64_KiB,
                     .depth = {.maximum = 64, .window = 1h},
                     .timeout = 500ms}),
            make, add);
  std::vector<future<std::string>> unread;
  for (int i = 0; i < 64; ++i) unread.push_back(pool.call(make, 30'000));
  ::usleep(2'000'000);  // four limits
  for (auto& call : unread) {
    const auto text = call.result();
    ASSERT_TRUE(text.has_value()) << text.error().report();
    EXPECT_EQ(text->size(), 30'000U);
  }
  EXPECT_EQ(pool.stats().restarts.timed_out, 0U);
}

TEST_F(pressure, an_argument_as_large_as_the_whole_arena_passes_whatever_is_around_it) {
  const auto length = task("length", [](std::string_view text) { return text.size(); });
  pool pool(watched({.workers = 2, .arena = {.initial = 4_KiB, .maximum = 256_KiB}, .payload_cap = 256_KiB}), length);
  std::vector<future<std::size_t>> calls;
  std::vector<std::size_t> sizes;
  for (int i = 0; i < 100; ++i) {
    sizes.push_back(i % 5 == 0 ? 256U << 10U : 1000U);
    calls.push_back(pool.call(length, std::string(sizes.back(), 'x')));
  }
  for (std::size_t i = 0; i < calls.size(); ++i) EXPECT_EQ(calls[i].get(), sizes[i]);
}

}  // namespace
}  // namespace selvage::test

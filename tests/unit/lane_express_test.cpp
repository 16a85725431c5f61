// Proves the express line of a lane: the newest call and answer, or where they are, read beside the bits that publish
// them; and that an old or torn copy is never taken for the newest.

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstring>
#include <thread>

#include "shm/express.hpp"
#include "shm/lane.hpp"
#include "tests/support/lane_pair.hpp"

namespace {

using namespace selvage::shm;
using selvage::tests::lane_pair;

struct call {
  std::uint64_t length = 8;
  std::uint64_t limit_ns = 0;
  std::uint32_t soft_limit = 0;
  std::uint8_t flags = 0;
  std::uint64_t offset = 0;
  std::uint64_t word = 0x1122334455667788;
};

unsigned post(lane_pair& lane, const call& what = {}) {
  const unsigned slot = lane.host.claim().value();
  request_header& header = lane.host.header(slot);
  header.call_id.store(++lane.last_call, std::memory_order_relaxed);
  header.limit_ns.store(what.limit_ns, std::memory_order_relaxed);
  header.soft_limit = what.soft_limit;
  header.task = 513;
  header.form = 2;
  header.flags = static_cast<std::uint8_t>(lane.host.base_flags(slot) | what.flags);
  header.offset = what.offset;
  header.length = what.length;
  std::memcpy(header.payload, &what.word, sizeof what.word);
  lane.host.publish(slot);
  return slot;
}

// What the worker takes is out of the header's payload, or it is a copy.
bool is_express(const lane_pair& lane, unsigned slot, const taken_call& taken) {
  return taken.payload != lane.worker.request(slot).payload && taken.payload != lane.memory.request().arena;
}

taken_call take_next(lane_pair& lane, unsigned& slot, bool alone = true) {
  slot = lane.worker.next(lane.worker.pending());
  const taken_call taken = lane.worker.take(slot, alone);
  EXPECT_TRUE(lane.worker.start(slot, taken.flags, 1));
  return taken;
}

void answer(lane_pair& lane, unsigned slot, std::uint64_t length, response_status status = response_status::ok,
            bool in_arena = false) {
  response_header& header = lane.worker.response(slot);
  header.call_id = lane.call_in(slot);
  header.service_ns = 99;
  header.status = static_cast<std::uint8_t>(status);
  header.form = 1;
  header.in_arena = in_arena ? 1 : 0;
  header.offset = in_arena ? 4096 : 0;
  header.length = length;
  std::memset(header.payload, 0x5a, sizeof header.payload);
  lane.worker.finish(slot, true);
}

bool answered_at_once(const lane_pair& lane, unsigned slot) {
  express_copy copy;
  express_payload payload;
  return lane.host.newest_answer(slot, lane.call_in(slot), copy, payload);
}

TEST(lane_express, a_call_alone_in_its_lane_is_taken_from_the_line_of_its_bit) {
  lane_pair lane;
  for (int turn = 0; turn < 200; ++turn) {
    const unsigned slot = post(lane);
    unsigned next = 64;
    const taken_call taken = take_next(lane, next);
    ASSERT_EQ(next, slot);
    ASSERT_TRUE(is_express(lane, slot, taken));
    EXPECT_EQ(taken.call_id, lane.call_in(slot));
    EXPECT_EQ(taken.task, 513);
    EXPECT_EQ(taken.form, 2);
    EXPECT_EQ(taken.flags, lane.worker.request(slot).flags);
    EXPECT_EQ(taken.length, 8U);
    EXPECT_EQ(std::memcmp(taken.payload, lane.worker.request(slot).payload, 8), 0);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(taken.payload) % 16, 0U);
    answer(lane, slot, 8);
    lane.settle_and_free(slot);
  }
}

TEST(lane_express, what_does_not_fit_or_is_told_to_stop_by_the_clock_is_taken_from_its_header) {
  const auto fits = [](const call& what) {
    lane_pair lane;
    const unsigned slot = post(lane, what);
    unsigned next = 64;
    return is_express(lane, slot, take_next(lane, next));
  };
  EXPECT_TRUE(fits({.length = 0}));
  EXPECT_TRUE(fits({.length = express::payload_bytes}));
  EXPECT_FALSE(fits({.length = express::payload_bytes + 1}));
  EXPECT_FALSE(fits({.soft_limit = 1}));
  EXPECT_TRUE(fits({.limit_ns = 1})) << "which is for the supervisor only";
}

TEST(lane_express, a_payload_in_the_arena_is_found_by_its_place) {
  lane_pair lane;
  const unsigned slot = post(lane, {.length = 70'000, .flags = request_flags::in_arena, .offset = 4096});
  lane.memory.request().headers[slot].length = 5;  // where it is not looked for
  unsigned next = 64;
  const taken_call taken = take_next(lane, next);
  ASSERT_EQ(next, slot);
  EXPECT_EQ(taken.length, 70'000U);
  EXPECT_EQ(taken.payload, lane.memory.request().arena + 4096);
}

TEST(lane_express, calls_behind_others_are_taken_from_their_headers_and_their_own_payloads) {
  lane_pair lane;
  const unsigned first = post(lane, {.word = 1});
  const unsigned second = post(lane, {.word = 2});
  unsigned slot = 64;
  EXPECT_FALSE(is_express(lane, first, take_next(lane, slot, false)));
  EXPECT_EQ(slot, first);
  // The line still holds the first call: the second, now alone, is not taken for it.
  const taken_call taken = take_next(lane, slot);
  EXPECT_EQ(slot, second);
  EXPECT_FALSE(is_express(lane, second, taken));
  EXPECT_EQ(taken.call_id, lane.call_in(second));
}

TEST(lane_express, a_payload_stays_while_later_calls_come_and_go) {
  lane_pair lane;
  unsigned slot = 64;
  const unsigned first = post(lane, {.word = 41});
  const taken_call held = take_next(lane, slot);
  ASSERT_TRUE(is_express(lane, first, held));
  for (std::uint64_t i = 0; i < 40; ++i) {
    const unsigned later = post(lane, {.word = 1000 + i});
    (void)take_next(lane, slot);
    ASSERT_EQ(slot, later);
    answer(lane, later, 8);
    lane.settle_and_free(later);
  }
  std::uint64_t word = 0;
  std::memcpy(&word, held.payload, sizeof word);
  EXPECT_EQ(word, 41U);
}

TEST(lane_express, a_small_answer_is_read_from_the_line_of_its_bit) {
  lane_pair lane;
  unsigned slot = 64;
  (void)post(lane);
  (void)take_next(lane, slot);
  answer(lane, slot, 13);
  express_copy copy;
  express_payload payload;
  ASSERT_TRUE(lane.host.newest_answer(slot, lane.call_in(slot), copy, payload));
  EXPECT_EQ(copy.shape.length, 13);
  EXPECT_EQ(copy.shape.form, 1);
  EXPECT_EQ(copy.number, 99U);
  for (std::size_t i = 0; i < 13; ++i) EXPECT_EQ(payload.bytes[i], std::byte{0x5a});
  EXPECT_FALSE(lane.host.newest_answer((slot + 1) % 64, lane.call_in(slot), copy, payload)) << "another slot";
  EXPECT_FALSE(lane.host.newest_answer(slot, lane.call_in(slot) + 1, copy, payload)) << "another call";
}

TEST(lane_express, an_answer_in_the_arena_is_told_by_its_place) {
  lane_pair lane;
  unsigned slot = 64;
  (void)post(lane);
  (void)take_next(lane, slot);
  answer(lane, slot, 70'000, response_status::ok, true);
  express_copy copy;
  express_payload payload;
  ASSERT_TRUE(lane.host.newest_answer(slot, lane.call_in(slot), copy, payload));
  ASSERT_TRUE(copy.shape.placed);
  EXPECT_EQ(payload.place().offset, 4096U);
  EXPECT_EQ(payload.place().length, 70'000U);
}

TEST(lane_express, other_answers_are_read_from_their_headers) {
  const auto at_once = [](std::uint64_t length, response_status status) {
    lane_pair lane;
    unsigned slot = 64;
    (void)post(lane);
    (void)take_next(lane, slot);
    answer(lane, slot, length, status);
    return answered_at_once(lane, slot);
  };
  EXPECT_TRUE(at_once(express::payload_bytes, response_status::ok));
  EXPECT_FALSE(at_once(express::payload_bytes + 1, response_status::ok));
  EXPECT_FALSE(at_once(8, response_status::skipped));
  EXPECT_FALSE(at_once(8, response_status::exception));
}

TEST(lane_express, a_call_that_was_skipped_is_not_taken_for_the_next_nor_told_as_an_answer) {
  lane_pair lane;
  const unsigned first = post(lane, {.word = 1});
  const std::uint64_t id = lane.call_in(first);
  unsigned slot = lane.worker.next(lane.worker.pending());
  const taken_call taken = lane.worker.take(slot, true);
  ASSERT_TRUE(is_express(lane, slot, taken));
  (void)lane.host.recall(slot);
  ASSERT_FALSE(lane.worker.start(slot, taken.flags, 1));
  answer(lane, slot, 0, response_status::skipped);
  EXPECT_FALSE(answered_at_once(lane, slot));
  lane.settle_and_free(slot);
  --lane.last_call;  // it comes back, with the number that it had
  const unsigned again = post(lane, {.word = 2});
  const taken_call second = take_next(lane, slot);
  ASSERT_EQ(slot, again);
  ASSERT_TRUE(is_express(lane, again, second));
  EXPECT_EQ(second.call_id, id);
  std::uint64_t word = 0;
  std::memcpy(&word, second.payload, sizeof word);
  EXPECT_EQ(word, 2U);
  answer(lane, again, 8);
  EXPECT_TRUE(answered_at_once(lane, again));
}

// As that of a coroutine, which has begun before others and ends behind them.
TEST(lane_express, a_late_answer_is_told_by_its_header_and_leaves_the_newest_alone) {
  lane_pair lane;
  unsigned slot = 64;
  const unsigned early = post(lane);
  (void)take_next(lane, slot);
  const unsigned later = post(lane);
  (void)take_next(lane, slot);
  ASSERT_EQ(slot, later);
  answer(lane, later, 8);
  lane.finish(early);
  EXPECT_FALSE(answered_at_once(lane, early));
  EXPECT_TRUE(answered_at_once(lane, later));
}

TEST(lane_express, nothing_of_an_epoch_is_left_for_the_next) {
  lane_pair lane;
  unsigned slot = 64;
  (void)post(lane);
  (void)take_next(lane, slot);
  answer(lane, slot, 8);
  const std::uint64_t id = lane.call_in(slot);
  lane.open(2);
  express_copy copy;
  express_payload payload;
  EXPECT_FALSE(lane.host.newest_answer(slot, id, copy, payload));
  (void)post(lane);
  EXPECT_TRUE(is_express(lane, 0, take_next(lane, slot))) << "the counts begin anew on both sides";
}

TEST(lane_express, a_length_beyond_the_line_is_no_copy) {
  express line{};
  line.ticket.store(5, std::memory_order_relaxed);
  line.shape.store(
      express_shape{.slot = 0, .form = 1, .flags = 0, .length = express::payload_bytes + 1, .task = 0}.packed(),
      std::memory_order_relaxed);
  express_copy copy;
  express_payload payload;
  EXPECT_FALSE(read(line, 5, copy, payload));
}

TEST(lane_express, a_place_of_another_size_is_no_copy) {
  for (const std::size_t length : {std::size_t{0}, sizeof(express_place) - 1, sizeof(express_place) + 1}) {
    express line{};
    line.ticket.store(5, std::memory_order_relaxed);
    const auto told = static_cast<std::uint8_t>(length);
    line.shape.store(
        express_shape{.slot = 0, .form = 1, .flags = 0, .length = told, .task = 0, .placed = true}.packed(),
        std::memory_order_relaxed);
    express_copy copy;
    express_payload payload;
    EXPECT_FALSE(read(line, 5, copy, payload)) << length;
  }
}

TEST(lane_express, shapes_survive_packing) {
  for (const express_shape it : {express_shape{0, 0, 0, 0, 0}, express_shape{63, 3, 7, 80, 65535, true}}) {
    const express_shape back = express_shape::of(it.packed());
    EXPECT_EQ(back.slot, it.slot);
    EXPECT_EQ(back.form, it.form);
    EXPECT_EQ(back.flags, it.flags);
    EXPECT_EQ(back.length, it.length);
    EXPECT_EQ(back.task, it.task);
    EXPECT_EQ(back.placed, it.placed);
  }
}

// One writer hardly ever stops; whatever is read whole is of one piece.
TEST(lane_express, a_copy_that_is_torn_is_never_taken) {
  constexpr unsigned wanted = 2'000;
  express line{};
  std::atomic<bool> stop{false};
  std::jthread writer([&] {
    for (std::uint64_t ticket = 1; !stop.load(std::memory_order_relaxed); ++ticket) {
      std::array<std::uint64_t, express::payload_words> words;
      words.fill(ticket);
      write(line, ticket, {.slot = 1, .form = 1, .flags = 0, .length = express::payload_bytes, .task = 2}, ticket,
            reinterpret_cast<const std::byte*>(words.data()));
      if (ticket % 16 == 0) std::this_thread::yield();  // leaves a whole one for a while
    }
  });
  for (unsigned whole = 0; whole < wanted;) {
    const std::uint64_t ticket = line.ticket.load(std::memory_order_relaxed);
    express_copy copy;
    express_payload payload;
    if (ticket == 0 || !read(line, ticket, copy, payload)) continue;
    ++whole;
    std::array<std::uint64_t, express::payload_words> words;
    std::memcpy(words.data(), payload.bytes.data(), sizeof words);
    EXPECT_EQ(copy.number, ticket);
    for (const std::uint64_t word : words) EXPECT_EQ(word, ticket);
    if (whole % 100 == 0) std::this_thread::yield();
  }
  stop = true;
}

}  // namespace

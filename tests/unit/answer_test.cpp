// The one reader of response headers, over everything that a worker can write there. BEHAVIOURS, "Trust": never index,
// allocate or copy by a number that was not checked.

#include "pool/answer.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <string>

#include "tests/support/random.hpp"

namespace selvage::host {
namespace {

using detail::payload_form;
using shm::response_status;

constexpr std::uint64_t arena_bytes = 1U << 20U;
constexpr std::uint64_t cap = 1U << 18U;
constexpr std::uint64_t huge = std::numeric_limits<std::uint64_t>::max();

const char* fault_of(bool in_arena, std::uint64_t offset, std::uint64_t length) {
  return place_fault({.offset = offset, .length = length, .in_arena = in_arena}, arena_bytes, cap);
}

TEST(answer, is_read_field_by_field) {
  shm::response_header header{};
  header.call_id = 0x0123456789abcdefULL;
  header.service_ns = 42;
  header.status = static_cast<std::uint8_t>(response_status::exception);
  header.form = static_cast<std::uint8_t>(payload_form::table);
  header.in_arena = 1;
  header.offset = 4096;
  header.length = 777;
  const told_answer told = read_answer(header);
  EXPECT_EQ(told.call_id, header.call_id);
  EXPECT_EQ(told.service_ns, 42U);
  EXPECT_EQ(told.status, response_status::exception);
  EXPECT_EQ(told.form, payload_form::table);
  EXPECT_TRUE(told.in_arena);
  EXPECT_EQ(told.offset, 4096U);
  EXPECT_EQ(told.length, 777U);
}

TEST(answer, an_express_copy_says_the_same) {
  shm::express_payload payload{};
  shm::express_copy copy{.shape = {.slot = 3, .form = 1, .flags = shm::response_flags::spent, .length = 80, .task = 0},
                         .number = 42};
  const told_answer beside = read_answer(7, copy, payload);
  EXPECT_EQ(beside.call_id, 7U);
  EXPECT_EQ(beside.service_ns, 42U);
  EXPECT_EQ(beside.status, response_status::ok);
  EXPECT_EQ(beside.form, payload_form::fixed);
  EXPECT_TRUE(beside.worker_is_spent);
  EXPECT_FALSE(beside.in_arena);
  EXPECT_EQ(beside.offset, 0U);
  EXPECT_EQ(beside.length, 80U);
  const shm::express_place there{.offset = huge - 15, .length = 777};
  std::memcpy(payload.bytes.data(), &there, sizeof there);
  copy.shape.placed = true;
  copy.shape.length = sizeof there;
  const told_answer in_arena = read_answer(7, copy, payload);
  EXPECT_TRUE(in_arena.in_arena);
  EXPECT_EQ(in_arena.offset, huge - 15);
  EXPECT_EQ(in_arena.length, 777U);
  EXPECT_NE(place_fault(in_arena, arena_bytes, cap), nullptr) << "told, and not believed";
}

TEST(answer, values_that_are_no_enumerators_and_no_bools_are_carried_without_being_believed) {
  shm::response_header header;
  std::memset(static_cast<void*>(&header), 0xff, sizeof header);
  const told_answer told = read_answer(header);
  EXPECT_EQ(static_cast<unsigned>(told.status), 255U);
  EXPECT_EQ(static_cast<unsigned>(told.form), 255U);
  EXPECT_TRUE(told.in_arena);
  EXPECT_NE(place_fault(told, arena_bytes, cap), nullptr);
}

TEST(answer, an_empty_payload_is_anywhere_within_its_place) {
  EXPECT_EQ(fault_of(false, 0, 0), nullptr);
  EXPECT_EQ(fault_of(true, 0, 0), nullptr);
  EXPECT_EQ(fault_of(true, arena_bytes, 0), nullptr);
  EXPECT_EQ(fault_of(false, shm::inline_payload_bytes, 0), nullptr);
}

TEST(answer, an_inline_payload_may_fill_its_slot_and_not_a_byte_more) {
  EXPECT_EQ(fault_of(false, 0, shm::inline_payload_bytes), nullptr);
  EXPECT_STREQ(fault_of(false, 0, shm::inline_payload_bytes + 1), "its payload leaves its slot");
  EXPECT_EQ(fault_of(false, 16, shm::inline_payload_bytes - 16), nullptr);
  EXPECT_NE(fault_of(false, 16, shm::inline_payload_bytes - 15), nullptr);
  EXPECT_NE(fault_of(false, 4096, 0), nullptr);
}

TEST(answer, an_arena_payload_may_end_where_the_arena_ends) {
  EXPECT_EQ(fault_of(true, arena_bytes - 16, 16), nullptr);
  EXPECT_STREQ(fault_of(true, arena_bytes - 16, 17), "its payload leaves its arena");
  EXPECT_NE(fault_of(true, arena_bytes + 16, 0), nullptr);
}

TEST(answer, the_cap_is_exact) {
  EXPECT_EQ(fault_of(true, 0, cap), nullptr);
  EXPECT_STREQ(fault_of(true, 0, cap + 1), "its payload is longer than the cap");
}

TEST(answer, an_offset_that_is_not_aligned_is_refused) {
  for (std::uint64_t offset = 1; offset < 16; ++offset)
    EXPECT_STREQ(fault_of(true, offset, 1), "its payload is not aligned");
}

TEST(answer, sums_that_overflow_are_refused) {
  EXPECT_NE(fault_of(true, huge - 15, 32), nullptr);
  EXPECT_NE(fault_of(true, huge & ~15ULL, cap), nullptr);
  EXPECT_NE(fault_of(true, 16, huge), nullptr);
  EXPECT_NE(fault_of(false, huge & ~15ULL, 16), nullptr);
}

// What passes can be read: checked against the definition, without the arithmetic of the implementation.
TEST(answer, whatever_passes_lies_within_its_place) {
  tests::random_source random;
  const std::uint64_t edges[] = {
      0,         1,   15, 16, 64, 80, 81, 96, cap - 1, cap, cap + 1, arena_bytes - 16, arena_bytes, arena_bytes + 1,
      huge - 16, huge};
  unsigned passed = 0;
  for (int i = 0; i < 200'000; ++i) {
    const bool in_arena = random.one_in(2);
    const auto number = [&] {
      return edges[random.below(std::size(edges))] + (random.one_in(3) ? random.below(64) - 32 : 0);
    };
    const std::uint64_t offset = number();
    const std::uint64_t length = number();
    const bool overflows = offset + length < offset;
    const bool fits = offset % 16 == 0 && length <= cap && !overflows &&
                      offset + length <= (in_arena ? arena_bytes : shm::inline_payload_bytes);
    ASSERT_EQ(fault_of(in_arena, offset, length) == nullptr, fits) << in_arena << " " << offset << " " << length;
    passed += fits ? 1 : 0;
  }
  EXPECT_GT(passed, 1'000U);
}

}  // namespace
}  // namespace selvage::host

// Proves shm/bits.hpp: rings of slots as words.

#include "shm/bits.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "tests/support/random.hpp"

namespace {

using namespace selvage::shm;

std::vector<unsigned> visited(std::uint64_t bits, unsigned from) {
  std::vector<unsigned> slots;
  for_each_from(bits, from, [&](unsigned slot) { slots.push_back(slot); });
  return slots;
}

// The same by counting, for comparison.
std::vector<unsigned> counted(std::uint64_t bits, unsigned from) {
  std::vector<unsigned> slots;
  for (unsigned step = 0; step < 64; ++step) {
    if (const unsigned slot = (from + step) % 64; ((bits >> slot) & 1U) != 0) slots.push_back(slot);
  }
  return slots;
}

TEST(bits, a_slot_is_one_bit) {
  EXPECT_EQ(bit(0), 1U);
  EXPECT_EQ(bit(63), std::uint64_t{1} << 63U);
  for (unsigned slot = 0; slot < 64; ++slot) {
    EXPECT_TRUE(test(bit(slot), slot));
    EXPECT_FALSE(test(~bit(slot), slot));
  }
}

TEST(bits, several_are_two_or_more) {
  EXPECT_FALSE(several(0));
  for (unsigned slot = 0; slot < 64; ++slot) {
    EXPECT_FALSE(several(bit(slot)));
    EXPECT_TRUE(several(bit(slot) | bit(slot + 1)));
  }
  EXPECT_TRUE(several(every_slot));
}

TEST(bits, the_first_bit_is_found_at_after_and_around) {
  EXPECT_EQ(first_from(bit(5), 5), 5U);
  EXPECT_EQ(first_from(bit(5), 4), 5U);
  EXPECT_EQ(first_from(bit(5), 6), 5U);
  EXPECT_EQ(first_from(bit(0), 63), 0U);
  EXPECT_EQ(first_from(bit(63), 0), 63U);
  EXPECT_EQ(first_from(bit(0) | bit(63), 63), 63U);
  EXPECT_EQ(first_from(~std::uint64_t{0}, 63), 63U);
  EXPECT_EQ(first_from(~std::uint64_t{0}, 0), 0U);
}

TEST(bits, distances_go_forward_around_the_ring) {
  EXPECT_EQ(distance(0, 0), 0U);
  EXPECT_EQ(distance(0, 63), 63U);
  EXPECT_EQ(distance(63, 0), 1U);
  EXPECT_EQ(distance(10, 9), 63U);
}

TEST(bits, no_bit_is_visited_in_an_empty_word) { EXPECT_TRUE(visited(0, 17).empty()); }

TEST(bits, every_bit_is_visited_once_around_the_ring) {
  for (unsigned from = 0; from < 64; ++from)
    EXPECT_EQ(visited(~std::uint64_t{0}, from), counted(~std::uint64_t{0}, from));
}

TEST(bits, random_words_are_visited_in_ring_order) {
  selvage::tests::random_source random;
  for (int i = 0; i < 20'000; ++i) {
    const std::uint64_t word = random.bits() & random.bits();
    const auto from = static_cast<unsigned>(random.below(64));
    const std::vector<unsigned> expected = counted(word, from);
    ASSERT_EQ(visited(word, from), expected) << word << " from " << from;
    if (!expected.empty()) {
      ASSERT_EQ(first_from(word, from), expected.front()) << word << " from " << from;
    }
  }
}

}  // namespace

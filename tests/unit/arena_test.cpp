// Proves shm/arena.hpp against a model: blocks never overlap, and whatever fits an empty arena can be had once it is
// empty.

#include "shm/arena.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <vector>

#include "tests/support/random.hpp"

namespace {

using selvage::shm::arena;
using selvage::shm::page_bytes;
using selvage::shm::slots_per_lane;

constexpr std::size_t kib = 1024;

arena reserved_arena(std::size_t bytes) {
  arena made({.initial = bytes, .maximum = bytes});
  made.grow(bytes);
  return made;
}

TEST(arena, a_new_arena_has_reserved_nothing_and_gives_nothing) {
  arena fresh({.initial = 64 * kib, .maximum = 256 * kib});
  EXPECT_EQ(fresh.bytes_reserved(), 0U);
  EXPECT_EQ(fresh.bytes_in_use(), 0U);
  EXPECT_EQ(fresh.bytes_maximum(), 256 * kib);
  EXPECT_FALSE(fresh.allocate(0, 1).has_value());
  EXPECT_FALSE(fresh.holds(0));
}

TEST(arena, a_payload_of_no_bytes_gets_a_block_of_its_own) {
  arena one = reserved_arena(page_bytes);
  EXPECT_EQ(one.allocate(0, 0), 0U);
  EXPECT_EQ(one.allocate(1, 0), 16U);
  EXPECT_TRUE(one.holds(0));
  EXPECT_EQ(one.bytes_in_use(), 32U);
}

TEST(arena, sizes_are_rounded_up_to_sixteen) {
  arena one = reserved_arena(page_bytes);
  EXPECT_EQ(one.allocate(0, 1), 0U);
  EXPECT_EQ(one.allocate(1, 16), 16U);
  EXPECT_EQ(one.allocate(2, 17), 32U);
  EXPECT_EQ(one.allocate(3, 1), 64U);
  EXPECT_EQ(one.bytes_in_use(), 80U);
}

TEST(arena, exactly_the_whole_arena_fits_and_one_byte_more_does_not) {
  arena one = reserved_arena(page_bytes);
  EXPECT_FALSE(one.allocate(0, page_bytes + 1).has_value());
  EXPECT_FALSE(one.growth_for(page_bytes + 1).has_value());
  EXPECT_EQ(one.allocate(0, page_bytes), 0U);
  EXPECT_FALSE(one.allocate(1, 0).has_value());
  one.release(0);
  EXPECT_EQ(one.allocate(1, page_bytes), 0U);
}

TEST(arena, sizes_that_would_overflow_are_refused) {
  arena one = reserved_arena(page_bytes);
  ASSERT_TRUE(one.allocate(0, 100).has_value());
  for (const std::size_t huge : {~std::size_t{0}, ~std::size_t{0} - 15, ~std::size_t{0} / 2}) {
    EXPECT_FALSE(one.allocate(1, huge).has_value());
    EXPECT_FALSE(one.growth_for(huge).has_value());
  }
  EXPECT_EQ(one.bytes_in_use(), 112U);
}

TEST(arena, the_lowest_gap_that_is_large_enough_is_taken) {
  arena one = reserved_arena(page_bytes);
  for (unsigned slot = 0; slot < 4; ++slot) EXPECT_EQ(one.allocate(slot, 64), slot * 64U);
  one.release(0);
  one.release(2);
  EXPECT_EQ(one.allocate(10, 65), 256U);  // too large for both gaps
  EXPECT_EQ(one.allocate(11, 48), 0U);
  EXPECT_EQ(one.allocate(12, 64), 128U);
}

TEST(arena, all_slots_can_hold_a_block_at_once) {
  arena one = reserved_arena(slots_per_lane * 16);
  for (unsigned slot = 0; slot < slots_per_lane; ++slot) ASSERT_TRUE(one.allocate(slot, 16).has_value());
  EXPECT_EQ(one.bytes_in_use(), slots_per_lane * 16U);
  one.release_all();
  EXPECT_EQ(one.bytes_in_use(), 0U);
  for (unsigned slot = 0; slot < slots_per_lane; ++slot) EXPECT_FALSE(one.holds(slot));
  EXPECT_EQ(one.allocate(63, slots_per_lane * 16), 0U);
}

TEST(arena, releasing_a_slot_without_a_block_does_nothing) {
  arena one = reserved_arena(page_bytes);
  ASSERT_TRUE(one.allocate(3, 100).has_value());
  one.release(4);
  one.release(3);
  one.release(3);
  EXPECT_EQ(one.bytes_in_use(), 0U);
}

TEST(arena, the_first_growth_is_the_initial_size) {
  const arena fresh({.initial = 4096 * kib, .maximum = 65536 * kib});
  EXPECT_EQ(fresh.growth_for(0), 4096 * kib);
  EXPECT_EQ(fresh.growth_for(4096 * kib), 4096 * kib);
  EXPECT_EQ(fresh.growth_for(4096 * kib + 1), 4096 * kib + page_bytes);
  EXPECT_EQ(fresh.growth_for(65536 * kib), 65536 * kib);
}

TEST(arena, it_grows_by_doubling_up_to_its_maximum) {
  arena growing({.initial = 4 * kib, .maximum = 28 * kib});
  std::vector<std::size_t> sizes;
  for (unsigned slot = 0; slot < 7; ++slot) {
    if (growing.allocate(slot, 4 * kib)) continue;
    const auto wanted = growing.growth_for(4 * kib);
    ASSERT_TRUE(wanted.has_value());
    growing.grow(*wanted);
    sizes.push_back(*wanted);
    ASSERT_TRUE(growing.allocate(slot, 4 * kib).has_value());
  }
  EXPECT_EQ(sizes, (std::vector<std::size_t>{4 * kib, 8 * kib, 16 * kib, 28 * kib}));
  EXPECT_FALSE(growing.allocate(7, 1).has_value());
  EXPECT_FALSE(growing.growth_for(1).has_value()) << "full: the caller waits";
}

TEST(arena, growing_as_told_makes_the_request_fit) {
  selvage::tests::random_source random;
  for (int round = 0; round < 2000; ++round) {
    const std::size_t maximum = (1 + random.below(64)) * page_bytes;
    arena growing({.initial = (1 + random.below(maximum / page_bytes)) * page_bytes, .maximum = maximum});
    for (unsigned slot = 0; slot < slots_per_lane; ++slot) {
      const std::size_t bytes = random.below(maximum / 8);
      if (growing.allocate(slot, bytes)) continue;
      const auto wanted = growing.growth_for(bytes);
      if (!wanted) break;
      ASSERT_GT(*wanted, growing.bytes_reserved());
      ASSERT_LE(*wanted, maximum);
      ASSERT_EQ(*wanted % page_bytes, 0U);
      growing.grow(*wanted);
      ASSERT_TRUE(growing.allocate(slot, bytes).has_value()) << bytes << " of " << maximum;
    }
  }
}

TEST(arena, trimming_gives_back_both_ends) {
  arena one = reserved_arena(page_bytes);
  ASSERT_EQ(one.allocate(0, page_bytes), 0U);
  one.trim(0, 1000, 100);  // keeps 992 .. 1104
  EXPECT_EQ(one.bytes_in_use(), 112U);
  EXPECT_EQ(one.allocate(1, 992), 0U);
  EXPECT_FALSE(one.allocate(2, page_bytes - 1104 + 1).has_value());
  EXPECT_EQ(one.allocate(2, page_bytes - 1104), 1104U);
  EXPECT_EQ(one.bytes_in_use(), page_bytes);
}

TEST(arena, trimming_to_all_of_the_block_changes_nothing) {
  arena one = reserved_arena(page_bytes);
  ASSERT_EQ(one.allocate(0, 64), 0U);
  one.trim(0, 0, 64);
  EXPECT_EQ(one.bytes_in_use(), 64U);
}

TEST(arena, a_block_trimmed_to_nothing_is_still_held_and_released_once) {
  for (const std::uint64_t offset : {64U, 100U, 128U}) {  // start, middle, end of the block
    arena one = reserved_arena(page_bytes);
    ASSERT_EQ(one.allocate(0, 64), 0U);
    ASSERT_EQ(one.allocate(1, 64), 64U);
    ASSERT_EQ(one.allocate(2, 64), 128U);
    one.trim(1, offset, 0);
    EXPECT_TRUE(one.holds(1)) << offset;
    EXPECT_EQ(one.bytes_in_use(), 64U + 16 + 64) << offset;
    one.release(1);
    EXPECT_EQ(one.bytes_in_use(), 128U) << offset;
    EXPECT_EQ(one.allocate(1, 64), 64U) << offset;
    one.release_all();
    EXPECT_EQ(one.allocate(0, page_bytes), 0U) << offset;
  }
}

// What the arena says, kept beside it: blocks by slot.
struct model {
  struct block {
    std::uint64_t offset, length;
  };
  std::map<unsigned, block> held;

  [[nodiscard]] bool overlaps(std::uint64_t offset, std::uint64_t length) const {
    return std::any_of(held.begin(), held.end(), [&](const auto& other) {
      return offset < other.second.offset + other.second.length && other.second.offset < offset + length;
    });
  }
  [[nodiscard]] std::uint64_t bytes() const {
    std::uint64_t sum = 0;
    for (const auto& [slot, one] : held) sum += one.length;
    return sum;
  }
};

std::uint64_t rounded(std::uint64_t bytes) { return (std::max<std::uint64_t>(bytes, 1) + 15) / 16 * 16; }

void trim_both(arena& tested, model& expected, unsigned slot, selvage::tests::random_source& random) {
  model::block& block = expected.held[slot];
  const std::uint64_t start = random.below(block.length + 1);
  const std::uint64_t length = random.below(block.length - start + 1);
  tested.trim(slot, block.offset + start, length);
  // Sixteen bytes at least, whole granules, and all that was asked to be kept.
  const std::uint64_t from = block.offset + std::min(start / 16 * 16, block.length - 16);
  const std::uint64_t to = std::max(from + 16, (block.offset + start + length + 15) / 16 * 16);
  block = {from, to - from};
}

TEST(arena, random_use_agrees_with_a_model) {
  selvage::tests::random_source random;
  for (int round = 0; round < 20; ++round) {
    const std::size_t size = (1 + random.below(16)) * page_bytes;
    arena tested = reserved_arena(size);
    model expected;
    for (int step = 0; step < 5000; ++step) {
      const auto slot = static_cast<unsigned>(random.below(slots_per_lane));
      ASSERT_EQ(tested.holds(slot), expected.held.contains(slot));
      if (expected.held.contains(slot)) {
        if (random.one_in(2)) {
          trim_both(tested, expected, slot, random);
        } else {
          tested.release(slot);
          expected.held.erase(slot);
        }
      } else {
        const std::size_t bytes = random.one_in(20) ? random.below(size + 1) : random.below(size / 16);
        if (const auto offset = tested.allocate(slot, bytes)) {
          ASSERT_EQ(*offset % 16, 0U);
          ASSERT_LE(*offset + rounded(bytes), size);
          ASSERT_FALSE(expected.overlaps(*offset, rounded(bytes)));
          expected.held[slot] = {*offset, rounded(bytes)};
        } else if (expected.held.empty()) {
          FAIL() << bytes << " bytes did not fit an empty arena of " << size;
        }
      }
      ASSERT_EQ(tested.bytes_in_use(), expected.bytes());
    }
    for (unsigned slot = 0; slot < slots_per_lane; ++slot) tested.release(slot);
    ASSERT_EQ(tested.bytes_in_use(), 0U);
    ASSERT_EQ(tested.allocate(0, size), 0U);
  }
}

TEST(arena, thousands_of_payloads_through_a_small_arena_never_overlap) {
  selvage::tests::random_source random;
  constexpr std::size_t size = 64 * kib;
  arena small = reserved_arena(size);
  std::vector<unsigned char> bytes(size);
  struct payload {
    std::uint64_t offset = 0;
    std::size_t length = 0;
  };
  std::vector<payload> live(slots_per_lane);
  unsigned oldest = 0;
  unsigned waits = 0;
  const auto finish_oldest = [&] {
    const auto mark = static_cast<unsigned char>(oldest + 1);
    for (std::size_t i = 0; i < live[oldest].length; ++i) ASSERT_EQ(bytes[live[oldest].offset + i], mark);
    small.release(oldest);
    oldest = (oldest + 1) % slots_per_lane;
  };
  for (int call = 0; call < 10'000; ++call) {
    const auto slot = static_cast<unsigned>(call) % slots_per_lane;
    const std::size_t length = random.one_in(100) ? size : random.below(size / 8 + 1);
    if (small.holds(slot)) {
      ASSERT_NO_FATAL_FAILURE(finish_oldest());
    }
    std::optional<std::uint64_t> offset;
    while (!(offset = small.allocate(slot, length))) {  // a full arena makes the caller wait for the oldest call
      ASSERT_NE(small.bytes_in_use(), 0U) << length << " bytes do not fit the empty arena";
      ++waits;
      ASSERT_NO_FATAL_FAILURE(finish_oldest());
    }
    std::memset(bytes.data() + *offset, static_cast<int>(slot + 1), length);
    live[slot] = {*offset, length};
  }
  EXPECT_GT(waits, 0U) << "the arena was never full: this test tested nothing";
}

}  // namespace

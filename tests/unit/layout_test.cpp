// Proves the arithmetic of shm/layout.hpp and geometry: no two parts of a segment share a byte, or a page where rights
// differ.

#include "shm/layout.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "shm/lane.hpp"
#include "shm/segment.hpp"
#include "tests/support/random.hpp"

namespace {

using namespace selvage::shm;

std::vector<std::pair<std::uint64_t, std::uint64_t>> parts_of(const geometry& shape) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> parts{
      {0, page_bytes}, {page_bytes, page_bytes}, {2 * page_bytes, page_bytes}};  // header, host, supervisor
  for (unsigned lane = 0; lane < shape.lanes; ++lane) {
    parts.emplace_back(shape.supervisor_lane_offset(lane), sizeof(supervisor_lane));
    parts.emplace_back(shape.request_offset(lane), shape.request_region_bytes());
    parts.emplace_back(shape.response_offset(lane), shape.response_region_bytes());
  }
  std::sort(parts.begin(), parts.end());
  return parts;
}

void expect_seamless(const geometry& shape) {
  std::uint64_t end = 0;
  for (const auto& [offset, bytes] : parts_of(shape)) {
    ASSERT_EQ(offset, end) << shape.lanes << " lanes";
    ASSERT_EQ(offset % page_bytes, 0U);
    end = offset + bytes;
  }
  ASSERT_EQ(shape.segment_bytes(), end);
}

TEST(layout, the_parts_of_a_segment_follow_each_other_page_by_page) {
  selvage::tests::random_source random;
  for (const unsigned lanes : {1U, 2U, 3U, max_lanes}) {
    expect_seamless({.lanes = lanes, .request_arena_bytes = page_bytes, .response_arena_bytes = page_bytes});
    expect_seamless({.lanes = lanes, .request_arena_bytes = 0, .response_arena_bytes = 0});
    expect_seamless({.lanes = lanes,
                     .request_arena_bytes = random.below(1 << 20) * page_bytes,
                     .response_arena_bytes = random.below(1 << 20) * page_bytes});
  }
}

TEST(layout, the_largest_pool_has_offsets_beyond_32_bits_without_wrapping) {
  const geometry shape{.lanes = max_lanes,
                       .request_arena_bytes = std::uint64_t{1} << 32U,
                       .response_arena_bytes = std::uint64_t{1} << 32U};
  EXPECT_GT(shape.segment_bytes(), std::uint64_t{max_lanes} << 33U);
  expect_seamless(shape);
}

TEST(layout, the_parts_of_a_request_region_do_not_overlap) {
  alignas(page_bytes) static std::byte region[request_layout::arena + page_bytes];
  const request_view view = request_at(region);
  const auto at = [&](const void* part) { return static_cast<const std::byte*>(part) - region; };
  EXPECT_EQ(at(view.words), 0);
  EXPECT_GE(at(view.headers), at(view.words + 1));
  EXPECT_EQ(at(view.headers) % 128, 0);
  EXPECT_GE(at(view.arena), at(view.headers + slots_per_lane));
  EXPECT_EQ(at(view.arena) % static_cast<std::ptrdiff_t>(page_bytes), 0);
}

TEST(layout, the_parts_of_a_response_region_do_not_overlap) {
  alignas(page_bytes) static std::byte region[response_layout::arena + page_bytes];
  const response_view view = response_at(region);
  const auto at = [&](const void* part) { return static_cast<const std::byte*>(part) - region; };
  EXPECT_EQ(at(view.words), 0);
  EXPECT_GE(at(view.headers), at(view.words + 1));
  EXPECT_EQ(at(view.headers) % 128, 0);
  EXPECT_GE(at(view.crash), at(view.headers + slots_per_lane));
  EXPECT_EQ(at(view.crash) % static_cast<std::ptrdiff_t>(page_bytes), 0);
  EXPECT_GE(at(view.arena), at(view.crash + 1));
  EXPECT_EQ(at(view.arena) % static_cast<std::ptrdiff_t>(page_bytes), 0);
}

TEST(layout, words_that_two_processes_write_are_never_on_one_line) {
  // Host and worker write to different regions anyhow; within one, the hot words are apart.
  EXPECT_NE(offsetof(request_words, posted) / line_bytes, offsetof(request_words, taken) / line_bytes);
  EXPECT_NE(offsetof(request_words, posted) / line_bytes, offsetof(request_words, doorbell) / line_bytes);
  EXPECT_NE(offsetof(response_words, done) / line_bytes, offsetof(response_words, started) / line_bytes);
  EXPECT_NE(offsetof(response_words, done) / line_bytes, offsetof(response_words, doorbell) / line_bytes);
}

TEST(layout, the_verdicts_lie_on_pages_of_their_own) {
  // The worker maps the first page of its supervisor_lane and must not see how others ended.
  EXPECT_EQ(offsetof(supervisor_lane, words), 0U);
  EXPECT_EQ(offsetof(supervisor_lane, death), page_bytes);
  EXPECT_EQ(offsetof(supervisor_lane, start_failure), 2 * page_bytes);
}

TEST(layout, a_time_in_32_bits_is_never_shorter_and_hardly_longer) {
  EXPECT_EQ(unpacked_time_ns(packed_time(0)), 1000U) << "0 would mean none";
  EXPECT_EQ(unpacked_time_ns(packed_time(1)), 1000U);
  EXPECT_EQ(unpacked_time_ns(packed_time(1000)), 1000U);
  EXPECT_EQ(unpacked_time_ns(packed_time(1001)), 2000U);
  for (std::uint64_t ns = 1000; ns < std::uint64_t{1} << 63U; ns += ns / 3) {
    for (const std::uint64_t near : {ns - 1, ns, ns + 1}) {
      const std::uint64_t back = unpacked_time_ns(packed_time(near));
      EXPECT_GE(back, near);
      EXPECT_LE(back - near, 1000 + near / (1U << 25U)) << near;
    }
  }
  EXPECT_GE(unpacked_time_ns(packed_time(~std::uint64_t{0})), ~std::uint64_t{0} - (std::uint64_t{1} << 40U));
}

}  // namespace

// Proves pool/lane_set.hpp: some of a pool's lanes, visited in order.

#include "pool/lane_set.hpp"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "tests/support/random.hpp"

namespace {

using selvage::host::lane_set;
using selvage::shm::max_lanes;

std::vector<unsigned> visited(const lane_set& lanes, unsigned from, unsigned to) {
  std::vector<unsigned> seen;
  EXPECT_TRUE(lanes.each_of(from, to, [&](unsigned lane) {
    seen.push_back(lane);
    return true;
  }));
  return seen;
}

TEST(lane_set, begins_empty) {
  const lane_set lanes;
  EXPECT_TRUE(visited(lanes, 0, max_lanes).empty());
}

TEST(lane_set, knows_what_came_and_what_went) {
  lane_set lanes;
  lanes.add(3);
  lanes.add(3);
  lanes.add(max_lanes - 1);
  EXPECT_EQ(visited(lanes, 0, max_lanes), (std::vector<unsigned>{3, max_lanes - 1}));
  lanes.remove(3);
  lanes.remove(4);
  EXPECT_EQ(visited(lanes, 0, max_lanes), std::vector<unsigned>{max_lanes - 1});
}

TEST(lane_set, visits_a_range_in_order_whatever_its_ends) {
  selvage::tests::random_source random;
  for (int round = 0; round < 300; ++round) {
    lane_set lanes;
    std::set<unsigned> in_it;
    for (unsigned lane = 0; lane < max_lanes; ++lane) {
      if (random.one_in(3)) {
        lanes.add(lane);
        in_it.insert(lane);
      }
    }
    const auto from = static_cast<unsigned>(random.below(max_lanes + 1));
    const auto to = static_cast<unsigned>(random.below(max_lanes + 1));
    std::vector<unsigned> expected;
    for (const unsigned lane : in_it) {
      if (lane >= from && lane < to) expected.push_back(lane);
    }
    ASSERT_EQ(visited(lanes, from, to), expected) << from << " to " << to;
  }
}

TEST(lane_set, ends_as_soon_as_its_visitor_says_so) {
  lane_set lanes;
  for (const unsigned lane : {1U, 70U, 80U}) lanes.add(lane);
  std::vector<unsigned> seen;
  EXPECT_FALSE(lanes.each_of(0, max_lanes, [&](unsigned lane) {
    seen.push_back(lane);
    return lane != 70;
  }));
  EXPECT_EQ(seen, (std::vector<unsigned>{1, 70}));
}

}  // namespace

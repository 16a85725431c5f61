// Proves pool/swift_lane.hpp: who becomes the one that calls are kept for, and what ends it.

#include "pool/swift_lane.hpp"

#include <gtest/gtest.h>

namespace {

using selvage::base::never_ns;
using selvage::host::swift_lane;

swift_lane swift(unsigned lane) {
  swift_lane it;
  for (unsigned i = 0; i < swift_lane::enough / swift_lane::gain; ++i) it.answered(lane, true);
  EXPECT_EQ(it.lane(), lane);
  return it;
}

TEST(swift_lane, is_one_that_is_through_time_and_again) {
  swift_lane it;
  for (unsigned i = 1; i < swift_lane::enough / swift_lane::gain; ++i) {
    it.answered(3, true);
    EXPECT_EQ(it.lane(), swift_lane::none) << "that may be chance";
  }
  it.answered(3, true);
  EXPECT_EQ(it.lane(), 3U);
}

TEST(swift_lane, is_not_one_that_is_through_once_in_three_times) {
  swift_lane it;
  it.answered(0, false);
  EXPECT_EQ(it.lane(), swift_lane::none);
  for (int i = 0; i < 100; ++i) {
    it.answered(0, i % 3 == 0);
    EXPECT_EQ(it.lane(), swift_lane::none);
  }
}

TEST(swift_lane, remains_it_though_another_one_is_as_fast) {
  swift_lane it = swift(2);
  for (int i = 0; i < 100; ++i) it.answered(1, true);
  EXPECT_EQ(it.lane(), 2U);
  for (int i = 0; i < 100; ++i) it.answered(1, false);
  EXPECT_EQ(it.lane(), 2U) << "how slow others are does not matter";
}

TEST(swift_lane, that_becomes_slow_makes_room_for_another) {
  swift_lane it = swift(2);
  for (unsigned i = 0; i < swift_lane::most; ++i) it.answered(2, false);
  EXPECT_EQ(it.lane(), swift_lane::none);
  for (int i = 0; i < 4; ++i) it.answered(1, true);
  EXPECT_EQ(it.lane(), 1U);
}

TEST(swift_lane, is_waited_for_from_the_first_call_that_is_kept_and_anew_after_each_answer) {
  swift_lane it = swift(0);
  EXPECT_EQ(it.due_ns(), never_ns);
  it.keep(1'000);
  it.keep(50'000);
  EXPECT_EQ(it.due_ns(), 1'000 + swift_lane::patience_ns);
  it.answered(1, true);
  EXPECT_EQ(it.due_ns(), 1'000 + swift_lane::patience_ns) << "another one's answers";
  it.answered(0, false);
  EXPECT_EQ(it.due_ns(), never_ns);
  it.keep(60'000);
  EXPECT_EQ(it.due_ns(), 60'000 + swift_lane::patience_ns);
}

TEST(swift_lane, that_is_forgotten_has_to_show_it_again) {
  swift_lane it = swift(0);
  it.keep(1'000);
  it.forget();
  EXPECT_EQ(it.lane(), swift_lane::none);
  EXPECT_EQ(it.due_ns(), never_ns);
  it.answered(0, true);
  EXPECT_EQ(it.lane(), swift_lane::none);
}

}  // namespace

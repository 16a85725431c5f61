// How long a side spins: less while it does not pay, more when it does, and the whole again now and then.
#include "shm/spin_budget.hpp"

#include <gtest/gtest.h>

namespace selvage::shm {
namespace {

constexpr std::uint64_t most = 40'000;
constexpr std::uint64_t soon = spin_budget::soon_ns - 1;

// Returns: how many spins in vain until nothing but the floor is left.
unsigned exhaust(spin_budget& budget, std::uint64_t floor = 0) {
  unsigned spins = 0;
  for (; budget.ns() != floor; ++spins) budget.was_in_vain();
  return spins;
}

// Returns: how many short parks until the whole budget is there again.
unsigned parks_until_trial(spin_budget& budget) {
  unsigned parks = 0;
  for (; budget.ns() != most; ++parks) budget.parked_for(soon);
  return parks;
}

TEST(spin_budget, halves_down_to_its_floor) {
  spin_budget to_nothing(most, 0);
  EXPECT_EQ(to_nothing.ns(), most);
  to_nothing.was_in_vain();
  EXPECT_EQ(to_nothing.ns(), most / 2);
  EXPECT_EQ(exhaust(to_nothing), 5U);

  spin_budget to_a_floor(most, 1'000);
  exhaust(to_a_floor, 1'000);
  to_a_floor.was_in_vain();
  EXPECT_EQ(to_a_floor.ns(), 1'000U);
}

TEST(spin_budget, grows_back_by_what_is_met) {
  spin_budget budget(most, 0);
  exhaust(budget);
  budget.paid();
  EXPECT_EQ(budget.ns(), spin_budget::least_ns);
  for (int i = 0; i < 10; ++i) budget.paid();
  EXPECT_EQ(budget.ns(), most);
}

TEST(spin_budget, is_tried_whole_after_a_few_short_parks) {
  spin_budget budget(most, 0);
  exhaust(budget);
  for (int i = 0; i < 1000; ++i) budget.parked_for(spin_budget::soon_ns);
  EXPECT_EQ(budget.ns(), 0U);
  EXPECT_EQ(parks_until_trial(budget), spin_budget::parks_before_trial);
}

TEST(spin_budget, of_nothing_stays_nothing) {
  spin_budget budget(0, spin_budget::least_ns);
  EXPECT_EQ(budget.ns(), 0U);
  budget.paid();
  budget.was_in_vain();
  for (int i = 0; i < 100; ++i) budget.parked_for(soon);
  EXPECT_EQ(budget.ns(), 0U);
}

}  // namespace
}  // namespace selvage::shm

#pragma once
// When a side whose spins were too short to pay should try its whole budget again. Two sides that both park answer each
// other so late that short spins never meet, though long ones would.
//
// Called by: the collector (pool/) and the worker's spinner, after each park. Never: spins, or holds the budget.
// Thread-safety: none; one per side.

#include <cstdint>

namespace selvage::shm {

class spin_trial {
 public:
  /// Returns: true once in a few parks that ended so soon that a long spin would have met what ended them.
  [[nodiscard]] bool is_due_after(std::uint64_t parked_ns) noexcept {
    return parked_ns < soon_ns && ++soon_parks_ % parks_before_trial == 0;
  }

 private:
  static constexpr std::uint64_t soon_ns = 200'000;  // two wake-ups, with processors that had halted
  static constexpr unsigned parks_before_trial = 8;

  unsigned soon_parks_ = 0;
};

}  // namespace selvage::shm

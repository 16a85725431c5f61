#pragma once
// How long a side spins before it parks: for as long as spinning pays. A spin in vain halves the budget, one that met
// something doubles it. Two sides that both park answer each other so late that short spins never meet, though long
// ones would: after a few short parks the whole budget is tried again.
//
// Called by: the collector (pool/) and the worker's idler, after each spin and each park. Never: spins.
// Thread-safety: none; one per side.

#include <algorithm>
#include <cstdint>

namespace selvage::shm {

class spin_budget {
 public:
  /// `floor_ns`: what is left where spinning never pays.
  constexpr spin_budget(std::uint64_t most_ns, std::uint64_t floor_ns) noexcept
      : most_ns_(most_ns), floor_ns_(std::min(floor_ns, most_ns)), ns_(most_ns) {}

  [[nodiscard]] constexpr std::uint64_t ns() const noexcept { return ns_; }

  /// A spin has met what was waited for.
  constexpr void paid() noexcept { ns_ = std::min(most_ns_, std::max(2 * ns_, least_ns)); }
  constexpr void was_in_vain() noexcept { ns_ = std::max(ns_ / 2 < least_ns ? 0 : ns_ / 2, floor_ns_); }
  /// Of a park that was ended by what was waited for.
  constexpr void parked_for(std::uint64_t parked_ns) noexcept {
    if (parked_ns < soon_ns && ++soon_parks_ % parks_before_trial == 0) ns_ = most_ns_;
  }

  static constexpr std::uint64_t least_ns = 1'000;   ///< less is not worth a look at the clock
  static constexpr std::uint64_t soon_ns = 200'000;  ///< two wake-ups, with processors that had halted
  static constexpr unsigned parks_before_trial = 8;

 private:
  std::uint64_t most_ns_;
  std::uint64_t floor_ns_;
  std::uint64_t ns_;
  unsigned soon_parks_ = 0;
};

}  // namespace selvage::shm

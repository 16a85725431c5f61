#pragma once
// The one worker of a class that does calls faster than they are made and taken, if there is such a one: whoever
// collects finds time and again that it is through with all that it was given. Another worker would not add to that; it
// would wait as well, for a processor that the first one or the caller could use. So what is queued is kept for the
// first.
//
// Called by: pool_core, under its lock. Never: decides for calls that nobody collects, or that have not been queued.

#include <algorithm>
#include <cstdint>

#include "base/clock.hpp"

namespace selvage::host {

class swift_lane {
 public:
  static constexpr unsigned none = ~0U;

  /// It has given answers. `through`: to all that it had, which was much.
  constexpr void answered(unsigned lane, bool through) noexcept {
    if (lane_ == none && through) lane_ = lane;
    if (lane_ == none || lane != lane_) return;
    due_ns_ = base::never_ns;
    score_ = through ? std::min(score_ + gain, most) : score_ - 1;
    if (score_ == 0) lane_ = none;
  }
  /// Returns: the lane, or none.
  [[nodiscard]] constexpr unsigned lane() const noexcept { return score_ >= enough ? lane_ : none; }
  /// It is full, and calls are kept for it.
  constexpr void keep(std::uint64_t now) noexcept {
    if (due_ns_ == base::never_ns) due_ns_ = now + patience_ns;
  }
  /// When it will have been waited for long enough; never_ns: nothing is kept for it.
  [[nodiscard]] constexpr std::uint64_t due_ns() const noexcept { return due_ns_; }
  /// It is as any other again.
  constexpr void forget() noexcept { *this = {}; }

  static constexpr unsigned gain = 2;    ///< for each time, where a time that it is not costs one
  static constexpr unsigned enough = 8;  ///< after four times
  static constexpr unsigned most = 32;
  /// Some times what all that it has was expected to take.
  static constexpr std::uint64_t patience_ns = 100'000;

 private:
  std::uint64_t due_ns_ = base::never_ns;
  unsigned lane_ = none;
  unsigned score_ = 0;
};

}  // namespace selvage::host

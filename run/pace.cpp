// See pace.hpp.

#include "run/pace.hpp"

#include <algorithm>
#include <bit>

namespace selvage::run_detail {

void running_median::add(std::chrono::nanoseconds time) noexcept {
  const auto ns = static_cast<std::uint64_t>(std::max(time.count(), std::int64_t{parts}));
  const auto octave = static_cast<unsigned>(std::bit_width(ns)) - 1;
  constexpr unsigned part_bits = 3;
  const std::size_t part = (ns >> (octave - part_bits)) % parts;
  ++counts_[octave * parts + part];
  ++all_;
}

std::optional<std::chrono::nanoseconds> running_median::value() const noexcept {
  constexpr std::uint64_t least = 3;
  if (all_ < least) return std::nullopt;
  std::uint64_t below = 0;
  for (std::size_t at = 0; at < counts_.size(); ++at) {
    below += counts_[at];
    if (2 * below <= all_) continue;
    const auto octave = static_cast<double>(std::uint64_t{1} << (at / parts));
    const double middle = 1.0 + (static_cast<double>(at % parts) + 0.5) / parts;
    return std::chrono::nanoseconds(static_cast<std::int64_t>(octave * middle));
  }
  return std::nullopt;
}

bool pace::may_start(std::size_t active) {
  held_until_ = clock::time_point::max();
  if (!settings_.hold_back) return true;
  const std::chrono::nanoseconds wait = settings_.hold_back(active);
  if (wait.count() <= 0) return true;
  constexpr std::chrono::nanoseconds longest = std::chrono::hours(1);
  held_until_ = clock::now() + std::min(wait, longest);
  return false;
}

bool pace::succeeded_in(std::chrono::nanoseconds time) noexcept {
  if (settings_.timeout_percent <= 0) return false;
  median_.add(time);
  const auto median = median_.value();
  if (!median) return false;
  constexpr double whole = 100;
  const auto before = longest_;
  longest_ = std::chrono::nanoseconds(
      static_cast<std::int64_t>(static_cast<double>(median->count()) * settings_.timeout_percent / whole));
  return longest_ != before;
}

}  // namespace selvage::run_detail

#pragma once
// When a run may start another item, and how long an attempt may take by what others took. Called by: scheduler.cpp.
// Never: starts or ends one, or keeps more than a few kilobytes of what it has seen.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include <selvage/detail/run_items.hpp>

namespace selvage::run_detail {

/// The median of any number of times, each counted by its eighth of an octave: at most 9 % off.
class running_median {
 public:
  void add(std::chrono::nanoseconds time) noexcept;
  /// Nothing before there are three. Cost: a walk over 512 counts.
  [[nodiscard]] std::optional<std::chrono::nanoseconds> value() const noexcept;

 private:
  static constexpr std::size_t parts = 8, octaves = 64;
  std::array<std::uint64_t, parts * octaves> counts_{};
  std::uint64_t all_ = 0;
};

class pace {
 public:
  using clock = std::chrono::steady_clock;
  explicit pace(const detail::run_settings& settings) : settings_(settings) {}

  /// Asks the program, where it wants to be asked: true means that an item is started now.
  [[nodiscard]] bool may_start(std::size_t active);
  /// When to ask again; the end of time where nothing is held back.
  [[nodiscard]] clock::time_point held_until() const noexcept { return held_until_; }

  /// Returns: longest() is another one now.
  bool succeeded_in(std::chrono::nanoseconds time) noexcept;
  /// How long an attempt may take; nothing where it is not known yet, or not limited so.
  [[nodiscard]] const std::optional<std::chrono::nanoseconds>& longest() const noexcept { return longest_; }

 private:
  const detail::run_settings& settings_;
  clock::time_point held_until_ = clock::time_point::max();
  running_median median_;
  std::optional<std::chrono::nanoseconds> longest_;
};

}  // namespace selvage::run_detail

#pragma once
// Which lane gets the next call. Sees lanes only as figures, so that every rule can be tested without a worker.
// Thread-safety: under the pool's lock.

#include <cstdint>
#include <optional>
#include <span>

#include <selvage/options.hpp>
#include "pool/depth.hpp"

namespace selvage::host {

/// What a rule may know of a lane.
struct lane_load {
  bool usable = false;
  unsigned in_flight = 0;
  std::uint64_t load_ns = 0;  ///< expected work of what is in flight
  bool asleep = false;        ///< its worker would have to be woken
  bool costly = false;        ///< it is asked to take a call that costs to be kept: see depth_rule::takes
};

class balancer {
 public:
  /// Waking a worker takes so long and more, of its own time and of the caller's: a call that has less ahead of it is
  /// sooner done behind a worker that is awake. Where the guess was wrong it is taken back.
  static constexpr std::uint64_t wake_up_ns = 20'000;

  balancer(balance rule, depth_rule depth, std::uint64_t seed) noexcept
      : rule_(rule), depth_(depth), state_(seed | 1U) {}

  /// Returns: a lane with room, or nothing where none has any.
  [[nodiscard]] std::optional<unsigned> choose(std::span<const lane_load> lanes) noexcept {
    const unsigned lane = pick(lanes);
    return lane == no_lane ? std::nullopt : std::optional(lane);
  }
  /// The first lane that has nothing in flight and whose worker is awake is the one that it would choose.
  [[nodiscard]] bool prefers_idle() const noexcept {
    return rule_ == balance::first_idle || rule_ == balance::first_idle_or_random;
  }
  [[nodiscard]] const depth_rule& depth() const noexcept { return depth_; }

 private:
  [[nodiscard]] bool has_room(const lane_load& lane) const noexcept {
    return lane.usable && depth_.takes(lane.in_flight, lane.load_ns, lane.costly);
  }
  // An optional that a function returns is written in two parts and read as one, for which a processor waits.
  static constexpr unsigned no_lane = ~0U;
  [[nodiscard]] unsigned pick(std::span<const lane_load> lanes) noexcept;
  [[nodiscard]] unsigned first_idle(std::span<const lane_load> lanes) const noexcept;
  [[nodiscard]] unsigned least_loaded(std::span<const lane_load> lanes) const noexcept;
  [[nodiscard]] unsigned next_in_turn(std::span<const lane_load> lanes) noexcept;
  [[nodiscard]] unsigned any(std::span<const lane_load> lanes) noexcept;
  std::uint64_t random() noexcept;

  balance rule_;
  depth_rule depth_;
  std::uint64_t state_;
  unsigned turn_ = 0;
};

}  // namespace selvage::host

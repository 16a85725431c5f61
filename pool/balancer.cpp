// The four rules of balancer.hpp.

#include "pool/balancer.hpp"

#include <algorithm>

namespace selvage::host {

unsigned balancer::pick(std::span<const lane_load> lanes) noexcept {
  switch (rule_) {
    case balance::round_robin:
      return next_in_turn(lanes);
    case balance::random:
      return any(lanes);
    case balance::first_idle_or_random: {
      const unsigned idle = first_idle(lanes);
      return idle != no_lane ? idle : any(lanes);
    }
    case balance::first_idle:
      break;
  }
  const unsigned idle = first_idle(lanes);
  return idle != no_lane ? idle : least_loaded(lanes);
}

// Always from lane 0: under light load the same few workers stay warm and the others sleep.
unsigned balancer::first_idle(std::span<const lane_load> lanes) const noexcept {
  unsigned sleeper = no_lane;
  unsigned awake = no_lane;
  for (unsigned i = 0; i < lanes.size(); ++i) {
    const lane_load& lane = lanes[i];
    if (!lane.usable) continue;
    if (lane.in_flight != 0) {
      const bool is_sooner_done = has_room(lane) && lane.load_ns < wake_up_ns;
      if (is_sooner_done && (awake == no_lane || lane.load_ns < lanes[awake].load_ns)) awake = i;
    } else if (!lane.asleep) {
      return i;
    } else if (sleeper == no_lane) {
      sleeper = i;
    }
  }
  return sleeper != no_lane && awake != no_lane ? awake : sleeper;
}

unsigned balancer::least_loaded(std::span<const lane_load> lanes) const noexcept {
  unsigned best = no_lane;
  for (unsigned i = 0; i < lanes.size(); ++i) {
    if (has_room(lanes[i]) && (best == no_lane || lanes[i].load_ns < lanes[best].load_ns)) best = i;
  }
  return best;
}

unsigned balancer::next_in_turn(std::span<const lane_load> lanes) noexcept {
  for (unsigned step = 0; step < lanes.size(); ++step) {
    const auto i = static_cast<unsigned>((turn_ + step) % lanes.size());
    if (has_room(lanes[i])) {
      turn_ = i + 1;
      return i;
    }
  }
  return no_lane;
}

unsigned balancer::any(std::span<const lane_load> lanes) noexcept {
  const auto open = static_cast<std::uint64_t>(
      std::count_if(lanes.begin(), lanes.end(), [&](const lane_load& lane) { return has_room(lane); }));
  if (open == 0) return no_lane;
  std::uint64_t nth = random() % open;
  for (unsigned i = 0; i < lanes.size(); ++i) {
    if (has_room(lanes[i]) && nth-- == 0) return i;
  }
  return no_lane;
}

// xorshift64*: good enough to spread calls. Source: Vigna, "An experimental exploration of Marsaglia's xorshift
// generators".
std::uint64_t balancer::random() noexcept {
  state_ ^= state_ >> 12U;
  state_ ^= state_ << 25U;
  state_ ^= state_ >> 27U;
  return (state_ * 0x2545f4914f6cdd1dULL) >> 33U;
}

}  // namespace selvage::host

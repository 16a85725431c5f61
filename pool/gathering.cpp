// Answers that gather. A thread that waits for any of its calls (a completion queue, a run), or for room in the queue,
// is not woken for each answer while the workers have more to do, and sleeps even where some are there: all it would do
// is post as many calls more, and every wake-up takes a processor from a worker. It is woken before any of them runs
// dry, and before an answer has lain for too long.
//
// Never: where a thread waits for one call, or a callback for its turn.

#include <algorithm>

#include "base/clock.hpp"
#include "pool/core.hpp"

namespace selvage::detail {
namespace {

/// Work that a worker has left when the collector is to be awake: what waking up and posting more may take.
constexpr std::uint64_t low_water_ns = 100'000;

/// For short calls, of which a full lane holds little more than that, half a lane of them: so that there is room for
/// many when the collector comes. Not where waking up takes longer.
std::uint64_t low_water_of(const host::lane_port& port, unsigned most_calls) noexcept {
  const std::uint64_t half_a_lane = most_calls / 2 * (port.load_ns / std::max(1U, port.in_flight_count()));
  return half_a_lane < host::balancer::wake_up_ns ? low_water_ns : std::min(half_a_lane, low_water_ns);
}

}  // namespace

// Requires: the lock. Every worker of the classes that work has enough to do, and nobody waits for one answer.
bool pool_core::may_gather() const {
  if (std::ranges::any_of(sleepers_, [&](const waiter* each) { return is_in_a_hurry(*each); }) ||
      callbacks_pending_ != 0 || options_.inline_lane.where != inline_options::position::none) {
    return false;
  }
  bool works = false;
  for (const class_desk& desk : desks_) {
    const auto lanes = lanes_of(desk);
    const auto has_work = [](const auto& port) { return port->load_ns != 0; };
    const auto is_low = [&](const auto& port) {
      if (!port->usable()) return false;
      const std::uint64_t low_water = low_water_of(*port, options_.depth.maximum);
      return port->load_ns < low_water || port->unfinished_load_ns() < low_water;  // the latter is a cache miss
    };
    if (std::ranges::none_of(lanes, has_work)) continue;
    if (std::ranges::any_of(lanes, is_low)) return false;
    works = true;
  }
  return works;
}

// For a collector that is about to park. Requires: the lock, the seat. Returns: when it has to look by itself.
std::uint64_t pool_core::plan_gathering(std::uint64_t patience_ns) {
  gathering_ = false;
  std::uint64_t planned = base::never_ns;
  if (patience_ns == 0 || !may_gather()) {
    for (const auto& port : lanes_) port->lane.set_quiet(0);
    return planned;
  }
  const std::uint64_t now = base::now_ns();
  for (const auto& port : lanes_) {
    const std::uint64_t low_water = low_water_of(*port, options_.depth.maximum);
    const host::lane_outlook ahead = port->outlook(low_water, now);
    port->lane.set_quiet(ahead.early);
    if (ahead.early == 0) continue;
    gathering_ = true;
    if (ahead.there != 0) planned = std::min(planned, now + patience_ns);
    if (ahead.first_ns == 0) continue;  // that answer rings, and those behind it come later
    planned = std::min({planned, now + ahead.dry_ns - low_water, now + ahead.first_ns + patience_ns});
  }
  return planned;
}

// Somebody waits for something of his own from now on. Requires: the lock.
void pool_core::stop_gathering() noexcept {
  if (gathering_) interrupt_collector();
}

}  // namespace selvage::detail

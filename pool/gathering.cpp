// Answers that gather. A thread that waits for any of its calls (a completion queue, a run), or for room in the queue,
// is not woken for each answer while the workers have more to do, and sleeps even where some are there: all it would do
// is post as many calls more, and every wake-up takes a processor from a worker. It is woken before any of them runs
// dry, and before an answer has lain for too long.
//
// One who waits for one call is not woken for others, and for that one a little later where every processor has a
// worker that has enough to do: most likely he has made many calls, and waits for the next as soon as he is awake.
//
// Never: beside another thread that waits for one call, or a callback that waits for its turn.

#include <algorithm>

#include "base/clock.hpp"
#include "pool/collecting.hpp"
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

// Requires: the lock. Somebody else waits for an answer, or for what becomes of it.
bool pool_core::somebody_is_in_a_hurry() const {
  return std::ranges::any_of(sleepers_, [&](const waiter* each) { return is_in_a_hurry(*each); }) ||
         callbacks_pending_ != 0 || options_.inline_lane.where != inline_options::position::none;
}

// Without the lock: a hint. On every processor some worker has calls behind the one that it runs.
bool pool_core::lanes_are_crowded() const noexcept {
  if (count_of_lanes() < cores_) return false;
  unsigned crowded = 0;
  awaited_.each_of(0, count_of_lanes(), [&](unsigned lane) {
    crowded += shm::several(lanes_[lane]->lane.in_flight()) ? 1 : 0;
    return true;
  });
  return crowded >= cores_;
}

// Requires: the lock. Every worker of the classes that work has enough to do; and they leave no processor to one who
// waits for one call.
bool pool_core::all_have_enough(const patience& how) const {
  unsigned busy = 0;
  for (const auto& desk : desks_) {
    const auto lanes = lanes_of(*desk);
    const auto has_work = [](const auto& port) { return port->load_ns != 0; };
    const auto is_low = [&](const auto& port) {
      if (!port->usable()) return false;
      const std::uint64_t low_water = low_water_of(*port, options_.depth.maximum);
      return port->load_ns < low_water || port->unfinished_load_ns() < low_water;  // the latter is a cache miss
    };
    const auto working = std::ranges::count_if(lanes, has_work);
    if (working != 0 && std::ranges::any_of(lanes, is_low)) return false;
    busy += static_cast<unsigned>(
        std::ranges::count_if(lanes, [&](const auto& port) { return has_work(port) && port->usable(); }));
  }
  return busy != 0 && (how.one == nullptr || busy >= cores_);
}

// For a collector that is about to park. Requires: the lock, the seat. Returns: when it has to look by itself.
std::uint64_t pool_core::plan_gathering(const patience& how) {
  gathering_ = none_to_post_ = false;
  may_miss_rings_ = how.one == nullptr;
  std::uint64_t planned = base::never_ns;
  const auto is_helper = [&](const waiter* each) { return each == &helper_waiter_; };
  const bool nobody_hurries =
      how.ns != 0 && !somebody_is_in_a_hurry() && (how.one == nullptr || std::ranges::all_of(sleepers_, is_helper));
  const bool enough = nobody_hurries && all_have_enough(how);
  // What he waits for rings; of the others, those after which there is something to do for him: nothing to post.
  const bool others_only =
      nobody_hurries && !enough && how.one != nullptr && !some_call_is_queued() && waiting_.empty();
  none_to_post_ = others_only;
  if (!enough && !others_only) {
    for (const auto& port : lanes_) port->lane.set_quiet(0);
    return planned;
  }
  const std::uint64_t now = base::now_ns();
  for (const auto& port : lanes_) {
    const bool has_it = how.one != nullptr && how.one->place == call_place::posted && how.one->lane == port->index;
    const unsigned its_slot = has_it ? how.one->slot : shm::slots_per_lane;
    const std::uint64_t low_water = enough ? low_water_of(*port, options_.depth.maximum) : 1;
    host::lane_outlook ahead = port->outlook(low_water, now, its_slot);
    // Its own answer may come sooner than was thought: by so much at most is it told late.
    const bool is_there = has_it && shm::test(ahead.there, its_slot);
    if (has_it && (!enough || (!is_there && ahead.its_end_ns > how.own_ns()))) ahead.early &= ~shm::bit(its_slot);
    if (has_it) may_miss_rings_ = shm::test(ahead.early, its_slot);
    port->lane.set_quiet(ahead.early);
    if (ahead.early == 0) continue;
    gathering_ = true;
    if (ahead.there != 0) planned = std::min(planned, now + how.ns);
    if (is_there && enough) planned = std::min(planned, now + how.own_ns());
    if (ahead.first_ns == 0) continue;  // that answer rings, and those behind it come later
    planned = std::min(planned, now + ahead.first_ns + how.ns);
    if (!enough) continue;
    planned = std::min(planned, now + ahead.dry_ns - low_water);
    if (has_it) planned = std::min(planned, base::saturating_add(now + how.own_ns(), ahead.its_end_ns));
  }
  return planned;
}

// Somebody waits for something of his own from now on. Requires: the lock.
void pool_core::stop_gathering() noexcept {
  if (gathering_) interrupt_collector();
}

}  // namespace selvage::detail

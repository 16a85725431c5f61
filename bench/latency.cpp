// What one call costs its caller: with both sides awake, after idleness, in a pool of two, and at the end of a long
// task.

#include <memory>
#include <stdexcept>

#include "groups.hpp"
#include "limits/futex.hpp"
#include "limits/ping_pong.hpp"
#include "limits/timing.hpp"
#include "pools.hpp"

namespace selvage::bench {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t late_task_ns = 5'000'000;

void expect_three(int sum) {
  if (sum != 3) throw std::logic_error("1 + 2 was " + std::to_string(sum));
}

// ns per call, in batches as the raw ping-pong is timed.
sampler round_trips(const pool_options& options) {
  const auto add = add_task();
  auto shared = std::make_shared<pool>(options, add);
  return [add, shared](std::size_t count) {
    const auto call = [&] { expect_three(shared->call(add, 1, 2).get()); };
    limits::warm_up(5000, call);
    return limits::time_batches(count, limits::ping_pong::round_trips_per_sample, call);
  };
}

sides open_round_trip(const settings& as) {
  auto raw = std::make_shared<limits::ping_pong>(as.peer_cpu);
  return {.figure = round_trips(with_workers(1, as)), .limit = [raw](std::size_t count) { return raw->sample(count); }};
}

// Its limit is a figure: the same call in a pool of one.
sides open_two_workers(const settings& as) {
  return {.figure = round_trips(with_workers(2, as)), .limit = round_trips(with_workers(1, as))};
}

// Its limit is a figure: the same call in a pool that is not sealed.
sides open_strict_round_trip(const settings& as) {
  pool_options sealed = with_workers(1, as);
  sealed.permissions = permissions::strict();
  return {.figure = round_trips(sealed), .limit = round_trips(with_workers(1, as))};
}

sides open_idle_wake(const settings& as) {
  const auto add = add_task();
  auto raw = std::make_shared<limits::futex_pair>(as.peer_cpu);
  auto shared = std::make_shared<pool>(with_workers(1, as), add);
  auto figure = [add, shared](std::size_t count) {
    auto samples = limits::time_batches(count, 1, [&] { expect_three(shared->call(add, 1, 2).get()); });
    for (double& each : samples) each /= 1e3;
    return samples;
  };
  return {.figure = figure, .limit = [raw](std::size_t count) { return raw->sample(count); }};
}

// The caller's time beyond the task's own, its start included.
sides open_late_result(const settings& as) {
  const auto pass = task("pass_time", [](std::uint64_t ns) { limits::pass_time(ns); });
  auto raw = std::make_shared<limits::futex_one_way>(late_task_ns, as.peer_cpu);
  auto shared = std::make_shared<pool>(with_workers(1, as), pass);
  auto figure = [pass, shared](std::size_t count) {
    auto samples = limits::time_batches(count, 1, [&] { shared->call(pass, late_task_ns).get(); });
    for (double& each : samples) each = (each - static_cast<double>(late_task_ns)) / 1e3;
    return samples;
  };
  return {.figure = figure, .limit = [raw](std::size_t count) { return raw->sample(count); }};
}

}  // namespace

void add_latency(suite& to) {
  to.add({.name = "call_round_trip",
          .unit = "ns",
          .goal = {.ratio_at_most = 2.0},
          .rhythm = {.turns = 10, .samples = 100},
          .open = open_round_trip});
  to.add({.name = "idle_wake",
          .unit = "us",
          .goal = {.ratio_at_most = 1.5},
          .rhythm = {.turns = 100, .samples = 1, .gap = 3ms},
          .open = open_idle_wake});
  to.add({.name = "two_workers_round_trip",
          .unit = "ns",
          .goal = {.ratio_at_most = 1.5},
          .rhythm = {.turns = 10, .samples = 100},
          .open = open_two_workers});
  to.add({.name = "strict_round_trip",
          .unit = "ns",
          .goal = {.ratio_at_most = 1.05},
          .rhythm = {.turns = 30, .samples = 100},
          .open = open_strict_round_trip});
  to.add({.name = "late_result",
          .unit = "us",
          .goal = {.ratio_at_most = 2.0},
          .rhythm = {.turns = 40, .samples = 1, .gap = 3ms, .figure_is_gap = true},
          .open = open_late_result});
}

}  // namespace selvage::bench

// What a call costs with 64 of them in flight, futures included.

#include <array>
#include <memory>
#include <stdexcept>

#include "groups.hpp"
#include "limits/mailbox.hpp"
#include "limits/timing.hpp"
#include "pools.hpp"

namespace selvage::bench {
namespace {

// The oldest call is awaited and another one made in its place, as the raw mailbox does it.
sides open_in_flight(const settings& as) {
  const auto increment = task("increment", [](int n) { return n + 1; });
  auto raw = std::make_shared<limits::mailbox_64>(as.peer_cpu);
  auto shared = std::make_shared<pool>(with_workers(1, as), increment);
  auto figure = [increment, shared](std::size_t count) {
    std::array<future<int>, limits::mailbox_64::slots> window;
    int posted = 0;
    for (auto& each : window) each = shared->call(increment, posted++);
    const auto call = [&] {
      auto& oldest = window[static_cast<unsigned>(posted) % window.size()];
      const int expected = posted - static_cast<int>(window.size()) + 1;
      if (oldest.get() != expected) throw std::logic_error("a result was wrong");
      oldest = shared->call(increment, posted++);
    };
    limits::warm_up(2000, call);
    auto samples = limits::time_batches(count, limits::mailbox_64::calls_per_sample, call);
    for (auto& each : window) (void)each.get();
    return samples;
  };
  return {.figure = figure, .limit = [raw](std::size_t count) { return raw->sample(count); }};
}

}  // namespace

void add_throughput(suite& to) {
  to.add({.name = "in_flight_64",
          .unit = "ns",
          .goal = {.ratio_at_most = 3.0, .value_below = 100, .value_counts_where_limit_at_most = 40},
          .rhythm = {.turns = 10, .samples = 20},
          .open = open_in_flight});
}

}  // namespace selvage::bench

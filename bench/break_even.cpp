// From which task length on a pool of two beats a loop in the caller: the shortest task of a ladder for which it does.

#include <array>
#include <memory>
#include <stdexcept>
#include <vector>

#include "groups.hpp"
#include "limits/timing.hpp"
#include "pools.hpp"

namespace selvage::bench {
namespace {

constexpr unsigned ahead = 128;  // calls in flight: two lanes' worth

// Work that no compiler removes and no clock interrupts.
std::uint64_t churn(std::uint64_t rounds) {
  std::uint64_t state = rounds | 1U;
  for (std::uint64_t i = 0; i < rounds; ++i) {
    state ^= state << 13U;
    state ^= state >> 7U;
    state ^= state << 17U;
  }
  return state;
}

// ns per task, one after the other in this thread.
double loop_ns(std::uint64_t rounds, unsigned tasks) {
  std::uint64_t sum = 0;
  const std::uint64_t begin = limits::now_ns();
  for (unsigned i = 0; i < tasks; ++i) sum += churn(rounds + (i & 1U));
  const std::uint64_t end = limits::now_ns();
  if (sum == 0) throw std::logic_error("the work was not done");
  return static_cast<double>(end - begin) / tasks;
}

template <class Task>
double pool_ns(pool& workers, const Task& task, std::uint64_t rounds, unsigned tasks) {
  std::array<future<std::uint64_t>, ahead> window;
  std::uint64_t sum = 0;
  const std::uint64_t begin = limits::now_ns();
  for (unsigned i = 0; i < tasks; ++i) {
    auto& place = window[i % ahead];
    if (place.valid()) sum += place.get();
    place = workers.call(task, rounds + (i & 1U));
  }
  for (auto& each : window) {
    if (each.valid()) sum += each.get();
  }
  const std::uint64_t end = limits::now_ns();
  if (sum == 0) throw std::logic_error("the work was not done");
  return static_cast<double>(end - begin) / tasks;
}

// us: the length of the shortest task from which on the pool was no slower, up to the top of the ladder.
sides open_break_even(const settings& as) {
  const auto work = task("churn", churn);
  auto shared = std::make_shared<pool>(with_workers(2, as), work);
  auto figure = [work, shared](std::size_t count) {
    constexpr double batch_ns = 4e6;
    constexpr double step = 1.25;
    constexpr double longest_ns = 200'000;
    std::vector<double> samples(count);
    for (double& each : samples) {
      for (double rounds = 50;; rounds *= step) {
        const auto whole = static_cast<std::uint64_t>(rounds);
        const double guess_ns = loop_ns(whole, 200);
        const auto tasks = static_cast<unsigned>(batch_ns / guess_ns) + 2 * ahead;
        (void)pool_ns(*shared, work, whole, 2 * ahead);  // so that its length is known
        const double in_pool = pool_ns(*shared, work, whole, tasks);
        const double in_loop = loop_ns(whole, tasks);
        each = in_loop / 1e3;
        if (in_pool <= in_loop || in_loop > longest_ns) break;
      }
    }
    return samples;
  };
  return {.figure = figure};
}

}  // namespace

void add_break_even(suite& to) {
  to.add(
      {.name = "break_even_two_workers", .unit = "us", .rhythm = {.turns = 3, .samples = 1}, .open = open_break_even});
}

}  // namespace selvage::bench

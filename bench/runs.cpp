// Bounded runs: what an item costs beyond its call, what a store adds, and how fast what was done is passed over.

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "groups.hpp"
#include "limits/scan.hpp"
#include "limits/timing.hpp"
#include "pools.hpp"
#include "scratch.hpp"

namespace selvage::bench {
namespace {

void require(bool right, const char* what) {
  if (!right) throw std::logic_error(what);
}

std::uint64_t busy(std::uint64_t number) {
  constexpr std::uint64_t length_ns = 1'000'000;
  burn(length_ns);
  return number;
}

// ns per item: an empty task through a run, beside the same calls by hand.
sides open_run_item(const settings& as) {
  const auto echo = task("echo", [](std::uint64_t n) { return n; });
  auto shared = std::make_shared<pool>(with_workers(1, as), echo);
  constexpr std::size_t items = 20'000;
  auto figure = [echo, shared](std::size_t count) {
    const auto all = numbers(items);
    auto samples = limits::time_batches(count, 1, [&] {
      std::uint64_t sum = 0;
      (void)run(*shared, echo, all, {.combine = [&](std::uint64_t n) { sum += n; }});
      require(sum == items * (items - 1) / 2, "a run lost an item");
    });
    for (double& each : samples) each /= items;
    return samples;
  };
  auto by_hand = [echo, shared](std::size_t count) {
    constexpr std::size_t ahead = 64;
    auto samples = limits::time_batches(count, 1, [&] {
      completion_queue<std::uint64_t> done(*shared);
      std::uint64_t next = 0;
      std::uint64_t sum = 0;
      while (next < items || done.size() != 0) {
        while (next < items && done.size() < ahead) done.add(shared->call(echo, next++));
        done.wait();
        while (auto one = done.pop()) sum += *one->result;
      }
      require(sum == items * (items - 1) / 2, "a call was lost");
    });
    for (double& each : samples) each /= items;
    return samples;
  };
  return {.figure = figure, .limit = by_hand};
}

// ms: 500 tasks of a millisecond with a store, beside the same without.
sides open_stored_run(const settings& as) {
  const auto work = task("busy", busy);
  auto shared = std::make_shared<pool>(with_workers(2, as), work);
  const auto sampler_of = [=](bool with_store) {
    return [=](std::size_t count) {
      const auto all = numbers(500);
      const folder place;
      const store kept(place.path());
      auto samples = limits::time_batches(count, 1, [&] {
        const auto report = run(*shared, work, all,
                                {.name = with_store ? "run" : "",
                                 .emit = [](auto&&) {},
                                 .store = with_store ? &kept : nullptr,
                                 .fresh = with_store});
        require(report.ok(), "a run has failed");
      });
      for (double& each : samples) each /= 1e6;
      return samples;
    };
  };
  return {.figure = sampler_of(true), .limit = sampler_of(false)};
}

// ns per item: a run all of whose items are in the store, beside a scan of the same file.
sides open_resume_skip(const settings& as) {
  constexpr std::size_t items = 100'000;
  const auto echo = task("echo", [](std::uint64_t n) { return n; });
  auto shared = std::make_shared<pool>(with_workers(1, as), echo);
  auto place = std::make_shared<folder>();
  const auto all = std::make_shared<std::vector<std::uint64_t>>(numbers(items));
  const store first(place->path());
  require(run(*shared, echo, *all, {.name = "run", .store = &first}).ok(), "a run has failed");
  auto figure = [=](std::size_t count) {
    const store kept(place->path());
    auto samples = limits::time_batches(count, 1, [&] {
      const auto report = run(*shared, echo, *all, {.name = "run", .store = &kept, .resume = true});
      require(report.resumed == items, "an item was run again");
    });
    for (double& each : samples) each /= items;
    return samples;
  };
  auto scanned = [place](std::size_t count) {
    auto samples = limits::time_batches(count, 1, [&] {
      require(limits::scan((place->path() / "run.run").string()) == items + 1, "the scan missed a record");
    });
    for (double& each : samples) each /= items;
    return samples;
  };
  return {.figure = figure, .limit = scanned};
}

}  // namespace

void add_runs(suite& to) {
  to.add({.name = "run_item",
          .unit = "ns",
          .goal = {.value_below = 5000},
          .rhythm = {.turns = 5, .samples = 3},
          .open = open_run_item});
  to.add({.name = "stored_run",
          .unit = "ms",
          .goal = {.ratio_at_most = 1.25},
          .rhythm = {.turns = 5, .samples = 1},
          .open = open_stored_run});
  to.add({.name = "resume_skip",
          .unit = "ns",
          .goal = {.ratio_at_most = 2.0, .value_below = 1000},
          .rhythm = {.turns = 5, .samples = 2},
          .open = open_resume_skip});
}

}  // namespace selvage::bench

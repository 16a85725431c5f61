// Whole pieces of work, as users have them: spread over workers beside one loop and beside a fresh process for each,
// resumed beside run anew, and the command beside xargs and GNU parallel.

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "groups.hpp"
#include "limits/timing.hpp"
#include "pools.hpp"
#include "scratch.hpp"

namespace selvage::bench {
namespace {

constexpr double ns_per_ms = 1e6;

std::vector<double> in_ms(std::vector<double> samples) {
  for (double& each : samples) each /= ns_per_ms;
  return samples;
}

void work_for(std::uint64_t ns) { burn(ns); }

template <class Work>
sampler timed(Work work) {
  return [work](std::size_t count) { return in_ms(limits::time_batches(count, 1, work)); };
}

/// So many items of so much processor time each, by two workers.
sampler pooled(std::size_t items, std::uint64_t ns, const settings& as) {
  const auto work = task("work", [ns](std::uint64_t n) {
    work_for(ns);
    return n;
  });
  auto shared = std::make_shared<pool>(with_workers(2, as), work);
  return timed([=] {
    if (!run(*shared, work, numbers(items), {.in_order = false}).ok()) throw std::logic_error("a run has failed");
  });
}

sampler in_a_loop(std::size_t items, std::uint64_t ns) {
  return timed([=] {
    for (std::size_t i = 0; i < items; ++i) work_for(ns);
  });
}

/// Two processes at once, each for one item: what a pool is in place of.
sampler in_fresh_processes(std::size_t items, std::uint64_t ns) {
  return timed([=] {
    // By number: the pool's supervisor is a child of this process too, and does not end.
    std::deque<pid_t> running;
    const auto await_first = [&running] {
      ::waitpid(running.front(), nullptr, 0);
      running.pop_front();
    };
    for (std::size_t i = 0; i < items; ++i) {
      if (running.size() == 2) await_first();
      const pid_t child = ::fork();
      if (child == -1) throw std::runtime_error("no process can be forked");
      if (child == 0) {
        work_for(ns);
        ::_exit(0);
      }
      running.push_back(child);
    }
    while (!running.empty()) await_first();
  });
}

constexpr std::uint64_t one_ms = 1'000'000, ten_ms = 10'000'000;

// ms: items that cost next to nothing, where a loop wins.
sides open_cheap_transform(const settings& as) {
  constexpr std::size_t items = 100'000;
  const auto twice = task("twice", [](std::uint64_t n) { return 2 * n; });
  auto shared = std::make_shared<pool>(with_workers(2, as), twice);
  const auto all = std::make_shared<std::vector<std::uint64_t>>(numbers(items));
  const auto check = [](std::uint64_t sum) {
    if (sum != items * (items - 1)) throw std::logic_error("an item was lost");
  };
  return {.figure = timed([=] {
            std::uint64_t sum = 0;
            (void)run(*shared, twice, *all, {.combine = [&](std::uint64_t n) { sum += n; }});
            check(sum);
          }),
          .limit = timed([=] {
            std::uint64_t sum = 0;
            for (const std::uint64_t n : *all) {
              volatile std::uint64_t doubled = 2 * n;
              sum += doubled;
            }
            check(sum);
          })};
}

// ms: a durable run of 1,000 items of a millisecond that is all done before, beside the same run anew.
sides open_keyed_resume(const settings& as) {
  constexpr std::size_t items = 1'000;
  const auto work = task("work", [](std::uint64_t n) {
    work_for(one_ms);
    return n;
  });
  auto shared = std::make_shared<pool>(with_workers(2, as), work);
  auto place = std::make_shared<folder>();
  const auto go = [=](bool resumed) {
    const store kept(place->path());
    const auto report =
        run(*shared, work, numbers(items), {.name = "run", .store = &kept, .resume = resumed, .fresh = !resumed});
    if (!report.ok() || report.resumed != (resumed ? items : 0))
      throw std::logic_error("a run was not what it should be");
  };
  go(false);
  return {.figure = timed([go] { go(true); }), .limit = timed([go] { go(false); })};
}

#ifdef SELVAGE_COMMAND
void shell(const std::string& line) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): the one thread that starts commands
  if (std::system(line.c_str()) != 0) throw std::runtime_error("it has failed: " + line);
}

/// A file of so many numbers, one a line.
std::string list_of(const folder& place, std::size_t items) {
  const std::string path = (place.path() / std::to_string(items)).string();
  std::ofstream list(path);
  for (std::size_t i = 0; i < items; ++i) list << i << '\n';
  return path;
}

sides open_command_beside(std::size_t items, const std::string& other) {
  auto place = std::make_shared<folder>();
  const std::string list = list_of(*place, items);
  return {.figure = timed([=, keep = place] { shell(SELVAGE_COMMAND " run -q -j2 -- true <" + list); }),
          .limit = timed([=, keep = place] { shell(other + " <" + list + " >/dev/null"); })};
}

// ns per item: lines through a native task, from a file to a file, beside cat.
sides open_native_item(const settings& /*as*/) {
  constexpr std::size_t items = 100'000;
  auto place = std::make_shared<folder>();
  const std::string list = list_of(*place, items);
  const std::string out = (place->path() / "out").string();
  const auto each = [place](const std::string& line) {
    return [line, keep = place](std::size_t count) {
      auto samples = limits::time_batches(count, 1, [&] { shell(line); });
      for (double& sample : samples) sample /= items;
      return samples;
    };
  };
  return {.figure = each(SELVAGE_COMMAND " run -q -k -j2 --task " SELVAGE_ECHO_MODULE ":echo <" + list + " >" + out +
                         " && cmp -s " + list + " " + out),
          .limit = each("cat <" + list + " >" + out)};
}

bool is_installed(const char* program) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): as above
  return std::system((std::string("command -v ") + program + " >/dev/null").c_str()) == 0;
}
#endif

}  // namespace

void add_workloads(suite& to) {
  const rhythm few{.turns = 3, .samples = 1, .most_repeats = 5};
  to.add({.name = "fan_out_1ms",
          .unit = "ms",
          .goal = {.ratio_at_most = 0.65},
          .rhythm = few,
          .open = [](const settings& as) {
            return sides{pooled(300, one_ms, as), in_a_loop(300, one_ms)};
          }});
  to.add({.name = "fan_out_10ms",
          .unit = "ms",
          .goal = {.ratio_at_most = 0.6},
          .rhythm = few,
          .open = [](const settings& as) {
            return sides{pooled(40, ten_ms, as), in_a_loop(40, ten_ms)};
          }});
  to.add({.name = "fan_out_against_fork",
          .unit = "ms",
          .goal = {.ratio_at_most = 1.0},
          .rhythm = few,
          .open = [](const settings& as) {
            return sides{pooled(300, one_ms, as), in_fresh_processes(300, one_ms)};
          }});
  to.add({.name = "cheap_transform", .unit = "ms", .rhythm = few, .open = open_cheap_transform});
  to.add({.name = "keyed_resume",
          .unit = "ms",
          .goal = {.ratio_at_most = 1.0 / 15},
          .rhythm = few,
          .open = open_keyed_resume});
#ifdef SELVAGE_COMMAND
  to.add({.name = "command_against_xargs",
          .unit = "ms",
          .goal = {.ratio_at_most = 1.15},
          .rhythm = few,
          .open = [](const settings&) { return open_command_beside(1'000, "xargs -P2 -n1 true"); }});
  if (is_installed("parallel")) {
    to.add({.name = "command_against_parallel",
            .unit = "ms",
            .goal = {.ratio_at_most = 0.25},
            .rhythm = few,
            .open = [](const settings&) { return open_command_beside(300, "parallel -j2 true"); }});
  }
  to.add({.name = "native_item", .unit = "ns", .goal = {.value_below = 5000}, .rhythm = few, .open = open_native_item});
#endif
}

}  // namespace selvage::bench

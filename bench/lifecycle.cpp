// What processes cost: a worker's replacement after a crash, and a pool from its construction to its end.

#include <signal.h>
#include <unistd.h>

#include <memory>
#include <stdexcept>

#include "groups.hpp"
#include "limits/fork.hpp"
#include "limits/timing.hpp"
#include "pools.hpp"

namespace selvage::bench {
namespace {

std::vector<double> in_us(std::vector<double> ns) {
  for (double& each : ns) each /= 1e3;
  return ns;
}

// From the call that crashes, through its error, to the next result, which only the replacement can give.
sides open_recovery(const pool_options& options) {
  const auto add = add_task();
  const auto crash = task("crash", [] {
    volatile int* volatile nowhere = nullptr;  // volatile, twice: the store stays, and to where is not seen
    *nowhere = 1;                              // NOLINT(clang-analyzer-core.NullDereference): meant
  });
  auto shared = std::make_shared<pool>(options, add, crash);
  auto figure = [add, crash, shared](std::size_t count) {
    return in_us(limits::time_batches(count, 1, [&] {
      const auto crashed = shared->call(crash).result();
      if (crashed || crashed.error().code() != errc::crashed) throw std::logic_error("the crash was not seen as one");
      if (shared->call(add, 1, 2).get() != 3) throw std::logic_error("the replacement gave a wrong result");
    }));
  };
  return {.figure = figure, .limit = limits::fork_exit_wait};
}

sides open_crash_recovery(const settings& as) { return open_recovery(with_workers(1, as)); }

sides open_strict_recovery(const settings& as) {
  pool_options sealed = with_workers(1, as);
  sealed.permissions = permissions::strict();
  return open_recovery(sealed);
}

// From the end of an idle worker, which leaves nothing to report, to the first result of the one that takes its place.
sides open_start(const pool_options& options) {
  const auto who = task("who", [] { return static_cast<int>(::getpid()); });
  auto shared = std::make_shared<pool>(options, who);
  auto figure = [who, shared](std::size_t count) {
    int worker = shared->call(who).get();
    return in_us(limits::time_batches(count, 1, [&] {
      ::kill(worker, SIGKILL);
      int next = worker;
      while (next == worker) next = shared->call(who).get();
      worker = next;
    }));
  };
  return {.figure = figure, .limit = limits::fork_exit_wait};
}

sides open_worker_start(const settings& as) { return open_start(with_workers(1, as)); }

sides open_strict_start(const settings& as) {
  pool_options sealed = with_workers(1, as);
  sealed.permissions = permissions::strict();
  return open_start(sealed);
}

sides open_pool_lifetime(const settings& as) {
  auto figure = [as](std::size_t count) {
    const auto add = add_task();
    return in_us(limits::time_batches(count, 1, [&] {
      pool four(with_workers(4, as), add);
      if (four.call(add, 1, 2).get() != 3) throw std::logic_error("the first result was wrong");
    }));
  };
  return {.figure = figure, .limit = limits::five_forks};
}

}  // namespace

void add_lifecycle(suite& to) {
  to.add({.name = "crash_recovery",
          .unit = "us",
          .goal = {.ratio_at_most = 8.0, .value_below = 1000},
          .rhythm = {.turns = 10, .samples = 5},
          .open = open_crash_recovery});
  to.add({.name = "strict_recovery",
          .unit = "us",
          .goal = {.ratio_at_most = 6.0, .value_below = 1000},
          .rhythm = {.turns = 10, .samples = 5},
          .open = open_strict_recovery});
  to.add({.name = "worker_start", .unit = "us", .rhythm = {.turns = 10, .samples = 5}, .open = open_worker_start});
  to.add({.name = "strict_start",
          .unit = "us",
          .goal = {.ratio_at_most = 6.0, .value_below = 1000},
          .rhythm = {.turns = 10, .samples = 5},
          .open = open_strict_start});
  to.add({.name = "pool_lifetime",
          .unit = "us",
          .goal = {.ratio_at_most = 10.0},
          .rhythm = {.turns = 5, .samples = 4},
          .open = open_pool_lifetime});
}

}  // namespace selvage::bench

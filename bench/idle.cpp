// What a pool costs that does nothing: processor time, and each worker's own memory.

#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <thread>

#include "groups.hpp"
#include "pools.hpp"
#include "process_tree.hpp"

namespace selvage::bench {
namespace {

using namespace std::chrono_literals;

// Processor time, in ms, of this process and all its descendants over 5 s, after a burst of calls: it is idle pools
// that were busy a moment ago that keep on spinning.
sides open_idle_cpu(const settings& as) {
  const auto add = add_task();
  auto shared = std::make_shared<pool>(with_workers(4, as), add);
  auto figure = [add, shared](std::size_t count) {
    std::vector<double> samples(count);
    for (double& each : samples) {
      for (int call = 0; call < 10'000; ++call) {
        if (shared->call(add, call, 1).get() != call + 1) throw std::logic_error("a result was wrong");
      }
      std::this_thread::sleep_for(50ms);
      const auto processes = tree_of(::getpid());
      const std::uint64_t before = cpu_ns(processes);
      std::this_thread::sleep_for(5s);
      each = static_cast<double>(cpu_ns(processes) - before) / 1e6;
    }
    return samples;
  };
  return {.figure = figure};
}

// Runs in the worker, and allocates nothing there: it would be counted.
std::uint64_t own_memory_bytes() {
  std::array<char, 4096> text{};
  const int file = ::open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
  if (file < 0) throw std::system_error(errno, std::generic_category(), "open /proc/self/smaps_rollup");
  const ssize_t length = ::read(file, text.data(), text.size());
  const int error = errno;
  ::close(file);
  if (length < 0) throw std::system_error(error, std::generic_category(), "read /proc/self/smaps_rollup");
  return pss_anon_bytes(std::string_view(text.data(), static_cast<std::size_t>(length)));
}

// KiB, in a worker whose first call this is.
sides open_worker_memory(const settings& as) {
  auto figure = [as](std::size_t count) {
    const auto memory = task("own_memory", own_memory_bytes);
    std::vector<double> samples(count);
    for (double& each : samples) {
      ::malloc_trim(0);  // what earlier benchmarks freed would be forked into the worker
      pool fresh(with_workers(1, as), memory);
      each = static_cast<double>(fresh.call(memory).get()) / 1024;
    }
    return samples;
  };
  return {.figure = figure};
}

}  // namespace

void add_idle(suite& to) {
  to.add({.name = "idle_cpu",
          .unit = "ms",
          .goal = {.value_below = 5},
          .rhythm = {.turns = 1, .samples = 1, .warm_up = false, .most_repeats = 2},
          .open = open_idle_cpu});
  to.add({.name = "worker_memory",
          .unit = "KiB",
          .goal = {.value_below = 1024},
          .rhythm = {.turns = 1, .samples = 3, .warm_up = false},
          .open = open_worker_memory});
}

}  // namespace selvage::bench

#pragma once
// The pools and the task that several groups measure.
//
// Called by: the benchmark groups. Never: sets an option that makes a figure better than a user's pool would be.

#include <selvage/selvage.hpp>

#include "limits/process.hpp"
#include "suite.hpp"

namespace selvage::bench {

/// Default options but for the number of workers. Under --pin the only worker is kept on the peer's processor;
/// several share what the machine has, where they would otherwise inherit the host's one processor.
[[nodiscard]] inline pool_options with_workers(unsigned workers, const settings& as) {
  pool_options options{.workers = workers};
  if (as.pin) {
    options.initializer = [cpu = workers == 1 ? as.peer_cpu : limits::all_cpus] { limits::pin(cpu); };
  }
  return options;
}

[[nodiscard]] inline auto add_task() {
  return task("add", [](int a, int b) { return a + b; });
}

}  // namespace selvage::bench

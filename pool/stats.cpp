// A pool's figures, copied out under its lock.

#include <selvage/stats.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/clock.hpp"
#include "pool/core.hpp"

namespace selvage {

std::uint64_t service_histogram::count() const noexcept {
  return std::accumulate(buckets.begin(), buckets.end(), std::uint64_t{0});
}

std::chrono::nanoseconds service_histogram::quantile(double q) const noexcept {
  const std::uint64_t all = count();
  if (all == 0) return std::chrono::nanoseconds(0);
  const auto wanted = static_cast<std::uint64_t>(std::ceil(std::clamp(q, 0.0, 1.0) * static_cast<double>(all)));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < buckets.size(); ++i) {
    seen += buckets[i];
    if (seen >= std::max<std::uint64_t>(wanted, 1)) return std::chrono::nanoseconds((std::int64_t{2} << i) - 1);
  }
  return std::chrono::nanoseconds(0);
}

namespace detail {

pool_stats pool_core::stats() const {
  pool_stats all;
  if (!in_owner()) return all;
  const lock_type held(lock_);
  for (const auto& desk : desks_) all.queued += desk->queue.size();
  all.posted = figures_.posted;
  all.succeeded = figures_.succeeded;
  all.failed = figures_.failed;
  all.moved = figures_.moved;
  all.recalled = figures_.recalled;
  all.ran_inline = figures_.ran_inline;
  all.restarts = figures_.restarts;
  all.processor_time = std::chrono::microseconds(figures_.processor_us_of_the_gone);
  for (const auto& port : lanes_) {
    // relaxed: a figure, told by the worker
    const std::uint64_t refusals = port->ready ? port->lane.refusal().count.load(std::memory_order_relaxed) : 0;
    const shm::supervisor_words& words = supervisor_lanes_[port->index].words;
    const auto pid = static_cast<std::int32_t>(words.pid.load(std::memory_order_relaxed));
    if (pid != 0) all.processor_time += std::chrono::nanoseconds(base::processor_time_ns(pid));
    all.lanes.push_back({.epoch = port->lane.open_epoch(),
                         .worker_pid = pid,
                         .ready = port->ready,
                         .failed = port->failed,
                         .task_class = static_cast<unsigned>(classes_.of_lane(port->index)),
                         .in_flight = port->in_flight_count(),
                         .posted = port->figures.posted,
                         .settled = port->figures.settled,
                         .bad_responses = port->figures.bad_responses,
                         .forged = port->figures.forged,
                         .refusals = port->figures.refusals + refusals,
                         .landlock = port->in_force.landlock,
                         .threads_counted = port->in_force.threads_counted,
                         .request_bytes_reserved = port->arena.bytes_reserved()});
    all.in_flight += port->in_flight_count();
  }
  for (std::size_t i = 0; i < tasks_.size(); ++i) {
    task_stats row{.name = tasks_[i]->name, .task_class = classes_.of_task[i]};
    if (const host::task_figures* const seen = figures_.find(i)) {
      row.succeeded = seen->succeeded;
      row.failed = seen->failed;
      row.service = seen->service;
    }
    all.tasks.push_back(std::move(row));
  }
  return all;
}

}  // namespace detail
}  // namespace selvage

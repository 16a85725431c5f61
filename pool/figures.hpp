#pragma once
// What a pool counts. Under the pool's lock; stats() copies it out.

#include <algorithm>
#include <bit>
#include <cstdint>
#include <memory>
#include <vector>

#include <selvage/stats.hpp>

namespace selvage::host {

/// Made at a task's first outcome: a pool may have 65,536 tasks and use ten.
struct task_figures {
  std::uint64_t succeeded = 0;
  std::uint64_t failed = 0;
  service_histogram service;
};

class figures {
 public:
  explicit figures(std::size_t tasks) : tasks_(tasks) {}

  void count(std::uint16_t task, bool success) {
    ++(success ? succeeded : failed);
    task_figures& row = of(task);
    ++(success ? row.succeeded : row.failed);
  }
  void time(std::uint16_t task, std::uint64_t service_ns) {
    const auto bucket = static_cast<std::size_t>(std::bit_width(service_ns | 1U) - 1);
    auto& buckets = of(task).service.buckets;
    ++buckets[std::min(bucket, buckets.size() - 1)];
  }
  [[nodiscard]] const task_figures* find(std::size_t task) const noexcept { return tasks_[task].get(); }

  std::uint64_t posted = 0, succeeded = 0, failed = 0, moved = 0, recalled = 0, ran_inline = 0;
  std::uint64_t processor_us_of_the_gone = 0;  ///< workers that are not there any more
  restart_stats restarts;

 private:
  task_figures& of(std::uint16_t task) {
    if (!tasks_[task]) tasks_[task] = std::make_unique<task_figures>();
    return *tasks_[task];
  }

  std::vector<std::unique_ptr<task_figures>> tasks_;
};

}  // namespace selvage::host

#pragma once
// Which tasks share workers. A task that may do or use less than another one of its pool has workers of its own kind:
// what the kernel enforces for a process cannot change from call to call.
//
// Called by: pool/core.hpp, start/. Never: starts a worker.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <selvage/detail/task_record.hpp>
#include <selvage/options.hpp>

#include "base/limits.hpp"

namespace selvage::host {

/// What the workers of one kind may use and do.
struct worker_class {
  base::limits limits{};
  selvage::permissions allowed{};  ///< resolved

  friend bool operator==(const worker_class&, const worker_class&) = default;
};

/// Lanes are numbered class by class, as many for each as the pool has workers.
struct class_table {
  std::vector<worker_class> classes;
  std::vector<std::uint8_t> of_task;  ///< by the task's index
  unsigned lanes_each = 1;

  [[nodiscard]] unsigned lanes() const noexcept { return static_cast<unsigned>(classes.size()) * lanes_each; }
  [[nodiscard]] std::size_t of_lane(unsigned lane) const noexcept { return lane / lanes_each; }
};

/// In the order of the tasks; a pool without tasks has one class. Requires: checked options.
/// Errors: selvage::error invalid_options where a task asks for more than its pool grants, by the names of both, or
/// where more lanes would be needed than there can be; sandbox_unavailable.
[[nodiscard]] class_table classes_of(const pool_options& options,
                                     std::span<const std::shared_ptr<const detail::task_record>> tasks);

}  // namespace selvage::host

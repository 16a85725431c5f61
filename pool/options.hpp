#pragma once
// The one place where the options of pools, tasks and calls are checked, and a pool's defaults filled in.

#include <cstddef>
#include <memory>
#include <vector>

#include <selvage/detail/task_record.hpp>
#include <selvage/options.hpp>

#include "shm/arena.hpp"
#include "shm/segment.hpp"

namespace selvage::host {

/// Returns the options with every 0 that means "choose" replaced. Errors: selvage::error invalid_options, naming the
/// field;
/// too_many_tasks.
[[nodiscard]] pool_options checked(pool_options given, std::size_t tasks);

/// Returns the tasks. Errors: invalid_options, naming the field and the task.
using task_list = std::vector<std::shared_ptr<const detail::task_record>>;
[[nodiscard]] task_list checked(task_list tasks, start how);

/// What is wrong with a call's options, beginning with the field; null where they pass.
[[nodiscard]] inline const char* fault_of(const call_options& given) noexcept {
  if (given.timeout.count() < 0) {
    return "call_options::timeout: must not be negative: a deadline that has passed leaves no time for the call";
  }
  return given.grace.count() < 0 ? "call_options::grace: must not be negative" : nullptr;
}

/// Requires: checked options.
[[nodiscard]] shm::geometry geometry_of(const pool_options& options, unsigned lanes) noexcept;
[[nodiscard]] shm::arena::limits arena_limits(const pool_options& options) noexcept;

}  // namespace selvage::host

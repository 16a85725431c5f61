// Sorts a pool's tasks by what they may do and use: see worker_class.hpp.

#include "pool/worker_class.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include <selvage/error.hpp>

#include "base/clock.hpp"
#include "pool/permission_check.hpp"
#include "shm/layout.hpp"

namespace selvage::host {
namespace {

base::limits limits_of(const pool_options& pool, const task_options& own, const permissions& allowed) {
  const auto first_of = [](auto wanted, auto otherwise) { return wanted != decltype(wanted){} ? wanted : otherwise; };
  const permissions::grants& granted = allowed.granted();
  const bool strict = allowed.is_strict();
  return {.memory_bytes = first_of(own.memory, pool.memory).count,
          .cpu_ns = base::to_ns(first_of(own.cpu, pool.cpu)),
          .file_bytes = first_of(own.file_size, pool.file_size).count,
          .stack_bytes = first_of(own.stack, pool.stack).count,
          .files = first_of(own.files, pool.files),
          .threads = granted.threads.value_or(threads_by_default(granted)),
          .threads_if_possible = !granted.threads || granted.best_effort,
          .may_fork = !strict || !granted.run.empty(),
          .may_leave_session = !strict,
          .threads_seen = strict && !granted.run.empty() && !granted.threads ? threads_of_strict_workers : 0};
}

/// A worker loads the library that its task is in once it is sealed: it may read that, and what it is linked with.
permissions with_library(const permissions& allowed, const std::string& library) {
  if (library.empty() || !allowed.is_strict()) return allowed;
  permissions more = allowed;
  for (const std::string& path :
       {library, std::string("/lib"), std::string("/lib64"), std::string("/usr/lib"), std::string("/usr/lib64"),
        std::string("/usr/local/lib"), std::string("/etc/ld.so.cache")}) {
    std::error_code absent;
    const std::filesystem::path real = std::filesystem::canonical(path, absent);
    if (!absent) more = more.read(real.string());
  }
  return more;
}

worker_class class_of(const pool_options& pool, const detail::task_record& task) {
  const permissions own =
      task.options.permissions ? narrowed_permissions(pool, *task.options.permissions, task.name) : pool.permissions;
  const permissions allowed = with_library(own, task.library);
  return {.limits = limits_of(pool, task.options, allowed), .allowed = allowed};
}

}  // namespace

class_table classes_of(const pool_options& options, std::span<const std::shared_ptr<const detail::task_record>> tasks) {
  class_table it{.classes = {}, .of_task = {}, .lanes_each = options.workers};
  it.of_task.reserve(tasks.size());
  for (const auto& task : tasks) {
    worker_class wanted = class_of(options, *task);
    const auto known = std::find(it.classes.begin(), it.classes.end(), wanted);
    it.of_task.push_back(static_cast<std::uint8_t>(known - it.classes.begin()));
    if (known != it.classes.end()) continue;
    it.classes.push_back(std::move(wanted));
    if (it.lanes() > shm::max_lanes) {
      throw error(errc::invalid_options,
                  fmt::format("pool_options::workers: the tasks up to '{}' are of {} classes, each with {} workers of "
                              "its own, and a pool has at most {}",
                              task->name, it.classes.size(), options.workers, shm::max_lanes));
    }
  }
  if (it.classes.empty()) it.classes.push_back({limits_of(options, {}, options.permissions), options.permissions});
  return it;
}

}  // namespace selvage::host

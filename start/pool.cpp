// The constructor of selvage::pool: the core, with the way to start its processes.

#include <selvage/pool.hpp>

#include "start/launch.hpp"

namespace selvage {
namespace {

std::vector<std::shared_ptr<const detail::task_record>> records_of(const std::vector<any_task>& tasks) {
  std::vector<std::shared_ptr<const detail::task_record>> records;
  records.reserve(tasks.size());
  for (const any_task& task : tasks) records.push_back(task.record());
  return records;
}

}  // namespace

pool::pool(pool_options options, const std::vector<any_task>& tasks)
    : core_(std::make_shared<detail::pool_core>(std::move(options), records_of(tasks), &launch::by_fork)) {
  try {
    core_->wait_until_ready();
  } catch (...) {
    core_->shutdown(std::chrono::nanoseconds(0));
    throw;
  }
}

}  // namespace selvage

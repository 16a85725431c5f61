// The constructor of selvage::pool: the core, with the way to start its processes.

#include <selvage/pool.hpp>

#include <system_error>

#include <selvage/error.hpp>

#include "start/launch.hpp"

namespace selvage {
namespace {

std::vector<std::shared_ptr<const detail::task_record>> records_of(const std::vector<any_task>& tasks) {
  std::vector<std::shared_ptr<const detail::task_record>> records;
  records.reserve(tasks.size());
  for (const any_task& task : tasks) records.push_back(task.record());
  return records;
}

// The errors of the system, such as no more descriptors or processes, in the words of the API.
std::shared_ptr<detail::pool_core> started(pool_options options, const std::vector<any_task>& tasks) {
  const auto launcher = options.start == start::spawn ? &launch::by_spawn : &launch::by_fork;
  try {
    return std::make_shared<detail::pool_core>(std::move(options), records_of(tasks), launcher);
  } catch (const std::system_error& problem) {
    throw error(errc::worker_start_failed, problem.what());
  }
}

}  // namespace

pool::pool(pool_options options, const std::vector<any_task>& tasks) : core_(started(std::move(options), tasks)) {
  try {
    core_->wait_until_ready();
  } catch (...) {
    core_->shutdown(std::chrono::nanoseconds(0));
    throw;
  }
}

}  // namespace selvage

// See options.hpp.

#include "pool/options.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>
#include <unordered_set>

#include <selvage/error.hpp>

#include "base/syscalls.hpp"
#include "pool/permission_check.hpp"
#include "shm/layout.hpp"

namespace selvage::host {
namespace {

constexpr std::size_t max_tasks = 65'536;

void require(bool good, std::string_view field, std::string_view rule) {
  if (!good) throw error(errc::invalid_options, fmt::format("pool_options::{}: {}", field, rule));
}

void check_arena(const pool_options& it) {
  const auto whole_pages = [](bytes size) { return size.count % shm::page_bytes == 0; };
  require(it.arena.maximum.count >= shm::page_bytes && whole_pages(it.arena.maximum), "arena.maximum",
          "must be a multiple of 4 KiB and not 0");
  require(it.arena.maximum <= 1024_GiB, "arena.maximum", "must be at most 1 TiB");
  require(!it.arena.growable || (it.arena.initial.count != 0 && whole_pages(it.arena.initial)), "arena.initial",
          "must be a multiple of 4 KiB and not 0");
  require(!it.arena.growable || it.arena.initial <= it.arena.maximum, "arena.initial", "must not exceed arena.maximum");
  require(it.payload_cap <= it.arena.maximum, "payload_cap", "must not exceed arena.maximum");
}

// Its own functions run on that stack too: the loop, the thunk, the crash recorder's first steps.
constexpr bytes least_stack = 128_KiB;

// `where`: "pool_options" or "task_options".
template <class Options>
std::optional<std::string> fault_of_limits(const Options& it, std::string_view where, start how) {
  const auto say = [&](std::string_view field, std::string_view rule) {
    return std::optional(fmt::format("{}::{}: {}", where, field, rule));
  };
  if (it.timeout.count() < 0) return say("timeout", "must not be negative");
  if (it.grace.count() < 0) return say("grace", "must not be negative");
  if (it.cpu.count() < 0) return say("cpu", "must not be negative");
  if (it.cpu.count() != 0 && it.cpu < std::chrono::milliseconds(1)) return say("cpu", "must be 0 or at least 1 ms");
  if (it.stack.count == 0) return std::nullopt;
  if (it.stack < least_stack) return say("stack", "must be 0 or at least 128 KiB");
  if (how == start::spawn || ::gettid() == ::getpid()) return std::nullopt;
  return say("stack",
             "tasks run on the stack of the thread that builds the pool, and only that of the program's first thread "
             "can be limited: build it there, or use start::spawn");
}

void check_times(const pool_options& it) {
  using std::chrono::nanoseconds;
  const auto not_negative = [](nanoseconds time, std::string_view field) {
    require(time.count() >= 0, field, "must not be negative");
  };
  not_negative(it.spin.host, "spin.host");
  not_negative(it.spin.worker, "spin.worker");
  not_negative(it.depth.window, "depth.window");
  not_negative(it.depth.gather, "depth.gather");
  not_negative(it.recycle.age, "recycle.age");
  require(it.depth.gather <= std::chrono::seconds(1), "depth.gather", "must be at most a second");
  require(it.spin.host <= std::chrono::seconds(1), "spin.host", "must be at most a second");
  require(it.spin.worker <= std::chrono::seconds(1), "spin.worker", "must be at most a second");
  require(it.spin.pause >= 1 && it.spin.pause <= 1000, "spin.pause", "must be 1 to 1000");
  require(it.spin.park.count() == 0 || it.spin.park >= std::chrono::microseconds(10), "spin.park",
          "must be 0 or at least 10 us");
  require(it.time_slice.count() == 0 ||
              (it.time_slice >= base::shortest_time_slice && it.time_slice <= base::longest_time_slice),
          "time_slice", "must be 0 or from 100 us to 100 ms");
  require(it.recycle.jitter >= 0 && it.recycle.jitter < 1, "recycle.jitter", "must be in [0, 1)");
  require(it.restart.budget >= 1, "restart.budget", "must be at least 1");
  require(it.restart.backoff.count() > 0 && it.restart.backoff <= it.restart.backoff_limit, "restart.backoff",
          "must be above 0 and not exceed restart.backoff_limit");
  require(it.restart.start_timeout.count() > 0, "restart.start_timeout", "must be above 0");
}

std::string of_task(std::string_view fault, std::string_view task) {
  const std::size_t colon = fault.find(": ");
  return fmt::format("{} of task '{}'{}", fault.substr(0, colon), task, fault.substr(colon));
}

}  // namespace

pool_options checked(pool_options given, std::size_t tasks) {
  if (tasks > max_tasks) {
    throw error(errc::too_many_tasks, fmt::format("the pool was given {} tasks, it can have {}", tasks, max_tasks));
  }
  if (given.workers == 0) given.workers = std::min(base::usable_cores(), shm::max_lanes);
  require(given.workers <= shm::max_lanes, "workers", fmt::format("must be at most {}", shm::max_lanes));
  require(given.start == start::fork || given.start == start::spawn, "start", "must be start::fork or start::spawn");
  require(given.balancer <= balance::first_idle_or_random, "balancer", "is none of the balancers");
  require(given.depth.maximum >= 1 && given.depth.maximum <= shm::slots_per_lane, "depth.maximum", "must be 1 to 64");
  require(given.queue >= 1, "queue", "must be at least 1");
  check_arena(given);
  check_times(given);
  if (const auto fault = fault_of_limits(given, "pool_options", given.start))
    throw error(errc::invalid_options, *fault);
  require(given.inline_lane.where <= inline_options::position::last, "inline_lane.where", "is none of the positions");
  require(given.inline_lane.batch >= 1, "inline_lane.batch", "must be at least 1");
  for (const int fd : given.inherit)
    require(fd >= 0 && ::fcntl(fd, F_GETFD) != -1, "inherit", fmt::format("{} is not an open descriptor", fd));
  given.permissions = resolved_permissions(given);
  require(given.on_violation <= on_violation::kill, "on_violation", "is neither refuse nor kill");
  if (given.payload_cap.count == 0) given.payload_cap = {given.arena.maximum.count / 8};
  return given;
}

task_list checked(task_list tasks, start how) {
  std::unordered_set<std::string_view> names;
  std::unordered_set<const detail::task_record*> records;  // the same task twice is the same task
  for (const auto& task : tasks) {
    if (task->name.empty()) throw error(errc::invalid_options, "selvage::task: a name must not be empty");
    const bool is_new = records.insert(task.get()).second;
    if (is_new && !names.insert(task->name).second) {
      throw error(errc::invalid_options,
                  fmt::format("selvage::task: two tasks of the pool are named '{}': errors and figures could not tell "
                              "them apart",
                              task->name));
    }
    if (const auto fault = fault_of_limits(task->options, "task_options", how))
      throw error(errc::invalid_options, of_task(*fault, task->name));
  }
  return tasks;
}

shm::geometry geometry_of(const pool_options& options, unsigned lanes) noexcept {
  return {.lanes = lanes,
          .request_arena_bytes = options.arena.maximum.count,
          .response_arena_bytes = options.arena.maximum.count};
}

shm::arena::limits arena_limits(const pool_options& options) noexcept {
  return {.initial = options.arena.growable ? options.arena.initial.count : options.arena.maximum.count,
          .maximum = options.arena.maximum.count};
}

}  // namespace selvage::host

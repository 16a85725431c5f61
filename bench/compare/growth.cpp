// Whether what a call costs stays flat: with the calls that its pool has made before, with the tasks that the pool was
// built with, with its workers. Calls give back their argument; two calls of one pool never have the same.

#include <array>
#include <fstream>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <selvage/selvage.hpp>

#include "pinning.hpp"
#include "work.hpp"

namespace compare {
namespace {

constexpr std::size_t in_flight = 64;

std::int64_t same(std::int64_t n) { return n; }
using number_task = selvage::task<std::int64_t (*)(std::int64_t)>;

/// Calls from one thread, so many unanswered, that are taken in the order in which they are answered.
class full_window {
 public:
  full_window(const selvage::pool& pool, const number_task& task) : task_(task), done_(pool) {}
  void take(selvage::pool& pool, std::uint64_t answers) {
    for (const std::uint64_t until = taken_ + answers; taken_ < until;) {
      while (done_.size() < in_flight) {
        expected_.at(done_.add(pool.call(task_, next_))) = next_;
        ++next_;
      }
      done_.wait();
      for (; taken_ < until; ++taken_) {
        const auto each = done_.pop();
        if (!each) break;
        require(each->result.value() == expected_[each->ticket], "another answer has come back");
      }
    }
  }

 private:
  const number_task& task_;
  selvage::completion_queue<std::int64_t> done_;
  std::array<std::int64_t, in_flight> expected_{};  // by ticket
  std::int64_t next_ = 0;
  std::uint64_t taken_ = 0;
};

/// A number of /proc/PID/status.
std::uint64_t status_of(const std::string& pid, std::string_view field) {
  std::ifstream status("/proc/" + pid + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(field)) return std::stoull(line.substr(field.size()));
  }
  throw std::runtime_error("a process has no " + std::string(field));
}

void look_at_memory(const selvage::pool& pool, const std::string& point, answer& found) {
  const auto kib = [](const std::string& pid) { return static_cast<double>(status_of(pid, "VmRSS:")); };
  const std::string worker = std::to_string(pool.stats().lanes.at(0).worker_pid);
  found["host_kib_" + point] = kib("self");
  found["supervisor_kib_" + point] = kib(std::to_string(status_of(worker, "PPid:")));
  found["worker_kib_" + point] = kib(worker);
}

answer by_calls(const request& asked) {
  const number_task task("same", same);
  selvage::pool pool({.workers = 1}, task);
  pin_workers(pool, asked.cpu("peer_cpu"));
  full_window calls(pool, task);
  constexpr std::uint64_t slice = 1000;
  calls.take(pool, slice);  // the first touch of every page, and the worker's way to its processor
  std::vector<double> times(asked.number("most") / slice);  // touched before the memory is looked at
  answer found;
  std::uint64_t before = 0;
  for (std::uint64_t point = slice; point <= asked.number("most"); point *= 10) {
    const std::span slices = std::span(times).first((point - before) / slice);
    for (double& each : slices) {
      const std::uint64_t begin = limits::now_ns();
      calls.take(pool, slice);
      each = static_cast<double>(limits::now_ns() - begin) / slice;
    }
    const std::string name = std::to_string(point);
    found["mean_" + name] = std::accumulate(slices.begin(), slices.end(), 0.0) / static_cast<double>(slices.size());
    std::ranges::sort(slices);
    found["middle_" + name] = slices[slices.size() / 2];
    look_at_memory(pool, name, found);
    before = point;
  }
  return found;
}

/// The last of the tasks is called, one call at a time and then many.
answer by_tasks(const request& asked) {
  std::vector<selvage::any_task> tasks;
  for (std::uint64_t i = 1; i < asked.number("most"); ++i)
    tasks.emplace_back(number_task("same" + std::to_string(i), same));
  const number_task last("same", same);
  tasks.emplace_back(last);
  const std::uint64_t begin = limits::now_ns();
  selvage::pool pool({.workers = 1}, tasks);
  const std::uint64_t built = limits::now_ns();
  pin_workers(pool, asked.cpu("peer_cpu"));
  const std::uint64_t for_ns = asked.number("for_ms") * 1'000'000U;
  std::int64_t next = 0;
  answer found = time_each(for_ns, [&] {
    ++next;
    require(pool.call(last, next).get() == next, "another answer has come back");
  });
  full_window calls(pool, last);
  found["many"] = 1e9 / time_many(for_ns, [&] { calls.take(pool, 1); }).at("per_second");
  found["build"] = static_cast<double>(built - begin);
  return found;
}

answer by_workers(const request& asked) {
  const number_task task("same", same);
  const std::uint64_t begin = limits::now_ns();
  selvage::pool pool({.workers = static_cast<unsigned>(asked.number("most"))}, task);
  const std::uint64_t built = limits::now_ns();
  pin_workers(pool, asked.cpu("peer_cpu"));
  std::int64_t next = 0;
  answer found = time_each(asked.number("for_ms") * 1'000'000U, [&] {
    ++next;
    require(pool.call(task, next).get() == next, "another answer has come back");
  });
  found["build"] = static_cast<double>(built - begin);
  return found;
}

}  // namespace

answer growth(const request& asked) {
  if (asked.peer != "selvage") throw not_for_this("there is no such peer");
  limits::pin(asked.cpu("cpu"));
  const std::string& of = asked.text("of");
  if (of == "calls") return by_calls(asked);
  if (of == "tasks") return by_tasks(asked);
  if (of == "workers") return by_workers(asked);
  throw not_for_this("there is no such growth");
}

}  // namespace compare

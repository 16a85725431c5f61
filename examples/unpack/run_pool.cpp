// The pool: this file is all that a program has to write to be safe from what its tasks do. See runs.hpp.

#include <selvage/selvage.hpp>

#include "interrupt.hpp"
#include "runs.hpp"
#include "terminal.hpp"

namespace unpack {
namespace {

/// Calls under way, and the endings of those that are over.
class gathering {
 public:
  explicit gathering(std::size_t expected) : bar_("pool", expected) { calls_.reserve(expected); }

  void add(selvage::future<unpacked> call) {
    calls_.push_back(std::move(call));
    endings_.emplace_back();
    show_progress();
  }

  void wait_for(std::size_t i) {
    // Does the pool's work meanwhile, and returns now and then so that the bar moves and Ctrl-C is seen.
    while (calls_[i].valid() && !calls_[i].wait_for(std::chrono::milliseconds(100))) {
      throw_if_interrupted();
      show_progress();
    }
    take_if_ready(i);
    throw_if_interrupted();
    show_progress();
  }

  [[nodiscard]] std::vector<ending> take_endings() { return std::move(endings_); }

 private:
  void take_if_ready(std::size_t i) {
    if (!calls_[i].ready()) return;  // under way, or taken before
    endings_[i] = calls_[i].result();
    ++done_;
    if (endings_[i]) bytes_out_ += endings_[i]->bytes_out;
  }

  void show_progress() {
    if (!bar_.due()) return;
    for (std::size_t i = 0; i < calls_.size(); ++i) take_if_ready(i);
    bar_.show(done_, bytes_out_);
  }

  progress_bar bar_;
  std::vector<selvage::future<unpacked>> calls_;
  std::vector<ending> endings_;
  std::size_t done_ = 0;
  std::uint64_t bytes_out_ = 0;
};

}  // namespace

pool_run run_in_pool(const std::vector<item>& items, unsigned workers) {
  const auto began = std::chrono::steady_clock::now();
  pool_run all;
  {
    const auto task = selvage::task("unpack", unpack_item);
    selvage::pool pool({.workers = workers, .timeout = time_limit, .memory = memory_limit}, task);
    gathering calls(items.size());
    for (const item& each : items) {
      throw_if_interrupted();
      calls.add(pool.call(task, each));  // waits while the pool has enough to do
    }
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (items[i].kind == mischief::none) calls.wait_for(i);
    }
    all.files_time = std::chrono::steady_clock::now() - began;
    for (std::size_t i = 0; i < items.size(); ++i) calls.wait_for(i);  // the hostile ones
    all.endings = calls.take_endings();
    const selvage::pool_stats stats = pool.stats();
    all.workers = static_cast<unsigned>(stats.lanes.size());
    all.restarts = stats.restarts;
  }
  all.time = std::chrono::steady_clock::now() - began;
  return all;
}

}  // namespace unpack

#pragma once
// Takes calls from the lane, runs them, answers. The hot path of every worker.
//
// For each call: stamp, toggle `started`, fence, look at `recall`; run the thunk; toggle `done`. The fence is light
// where the host's are heavy (ADR 7). That of the next call's start also stands between this call's `done` and the look
// at the host's parked word, so a busy worker fences once a call; and the clock reading at a call's end is the next
// one's start.
//
// Called by: worker/worker.cpp. Never: trusts a task (it may be gone at any instruction), or spins without end.
// Thread-safety: none; the worker's main thread.

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include <selvage/detail/task_entry.hpp>
#include "shm/lane.hpp"
#include "worker/idle.hpp"
#include "worker/lane_window.hpp"
#include "worker/memory_share.hpp"
#include "worker/result_writer.hpp"
#include "worker/worker.hpp"

namespace selvage::worker {

class loop {
 public:
  loop(const lane_window& window, shm::worker_lane lane, const seat& place, const settings& given,
       std::span<const detail::task_entry> tasks);
  ~loop();

  /// Serves until the worker is told to retire: then what is posted stays posted, and what was started is answered.
  void serve();

 private:
  class running_call;
  class deferred_reply;

  void serve_batch(std::uint64_t pending);
  [[nodiscard]] bool run(unsigned slot, const shm::taken_call& call);
  void close(unsigned slot, std::uint64_t started_ns, bool alone) noexcept;
  void close_deferred(unsigned slot, std::uint64_t started_ns) noexcept;
  [[nodiscard]] std::uint64_t news_of(unsigned slot) const noexcept;
  void seal(shm::response_header& answer, std::uint64_t service_ns) noexcept;
  void announce() noexcept;

  void rest();
  void let_calls_gather() noexcept;
  void rest_until_retired() noexcept;
  void run_coroutines();
  void rest_with_coroutines();

  /// The supervisor wants this worker to end between two calls.
  [[nodiscard]] bool retiring() const noexcept {
    return orders_.retire.load(std::memory_order_relaxed) == epoch_;  // relaxed: no data goes with it
  }

  shm::worker_lane lane_;
  const shm::request_words& words_;
  const shm::supervisor_words& orders_;
  std::span<const detail::task_entry> tasks_;
  std::uint64_t epoch_;
  std::uint64_t now_ns_ = 0;       // read at the end of the last call; 0 after a rest
  std::uint64_t deferred_ = 0;     // slots whose coroutine has not answered
  std::uint64_t unannounced_ = 0;  // the slot of the last `done`, of which the host was not told
  int event_fd_;
  memory_share memory_;
  bool spent_ = false;  // nothing more is started here
  bool processor_is_limited_;
  bool may_fork_;
  bool crowded_ = false;  // the last call was one of many: its like follow at once
  idler idler_;
  result_writer results_;
  std::unique_ptr<running_call> call_;
  std::unique_ptr<std::array<deferred_reply, shm::slots_per_lane>> deferred_replies_;
  std::unique_ptr<detail::event_loop> events_;
};

}  // namespace selvage::worker

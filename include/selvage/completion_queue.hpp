#pragma once
// Many calls in flight, and the next of them that is done, whichever that is. For programs that keep a pool busy from
// one thread: that thread collects for the pool while it waits, so that no other thread has to run.
//
//   selvage::completion_queue<int> done(pool);
//   for (int i = 0; i < 100; ++i) done.add(pool.call(square, i));
//   while (done.size() != 0) {
//     done.wait();
//     while (auto next = done.pop()) use(next->ticket, next->result);
//   }
//
// Thread-safety: one thread, but for notify(). It may outlive its pool; in a forked child its calls are settled with
// errc::pool_closed.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include <selvage/detail/completion_list.hpp>
#include <selvage/future.hpp>
#include <selvage/pool.hpp>

namespace selvage {

template <class T>
class completion_queue {
 public:
  struct completion {
    std::uint32_t ticket;
    tl::expected<T, error> result;
  };

  explicit completion_queue(const pool& of) : list_(of.core()) {}
  /// Calls that are left are aborted, as futures that are dropped.
  ~completion_queue() {
    for (std::uint32_t ticket = 0; ticket < calls_.size(); ++ticket) {
      if (calls_[ticket].valid()) list_.remove(ticket);
    }
  }
  completion_queue(const completion_queue&) = delete;
  completion_queue& operator=(const completion_queue&) = delete;

  /// Takes a call of this queue's pool. Returns: its ticket, a small number that is used again once the call is popped.
  /// Requires: valid(). Cost: two turns of the pool's lock, about 30 ns.
  std::uint32_t add(future<T> call) {
    detail::require(call.valid(), "a future without a call was added to a completion queue");
    const std::uint32_t ticket = list_.add(*call.state());
    if (ticket >= calls_.size()) calls_.resize(ticket + std::size_t{1});
    calls_[ticket] = std::move(call);
    return ticket;
  }

  /// Calls that were added and not popped.
  [[nodiscard]] std::size_t size() const noexcept { return list_.size(); }

  /// The next call that has settled, in the order in which they did. Never blocks, and does no work for the pool.
  std::optional<completion> pop() {
    std::uint32_t ticket = 0;
    if (!list_.next(ticket)) return std::nullopt;
    return completion{ticket, std::exchange(calls_[ticket], {}).result()};
  }

  /// Blocks until pop() has something, notify() is called, or was since the last wait, or the time is over. Where the
  /// queue has no calls, only the latter two can happen. While every worker has more to do, the answers of up to a
  /// millisecond come together: see depth_options::gather.
  void wait() { list_.wait(~std::uint64_t{0}); }
  void wait_for(std::chrono::nanoseconds time) { list_.wait(detail::deadline_after(time)); }
  /// Wakes the thread that waits, or the next one to wait. Any thread, as long as the queue lives.
  void notify() noexcept { list_.notify(); }

  /// As future::abort. The call still has to be popped.
  void abort(std::uint32_t ticket) noexcept {
    if (ticket < calls_.size()) calls_[ticket].abort();
  }

 private:
  detail::completion_list list_;
  std::vector<future<T>> calls_;  // by ticket
};

}  // namespace selvage

#pragma once
// How a running task learns that its caller no longer wants it. Take it as the first parameter; it is not passed by
// callers:
//
//   const auto decode = selvage::task("decode", [](selvage::abort_signal stop, std::string_view bytes) {
//     for (auto& block : blocks(bytes)) { if (stop.requested()) return partial; work(block); }
//   });
//
// Thread-safety: a value; every copy may be asked from any thread of the worker until the task has returned.

#include <atomic>
#include <chrono>
#include <cstdint>

namespace selvage {

namespace detail {

/// Where the signal is to be seen. Borrowed from the worker's lane, or from the caller's side for the inline lane.
struct abort_view {
  const std::atomic<std::uint64_t>* word = nullptr;  ///< raised while (word & mask) differs from base
  std::uint64_t mask = 0;
  std::uint64_t base = 0;
  std::uint64_t soft_limit_ns = ~std::uint64_t{0};       ///< CLOCK_MONOTONIC; raised from then on
  const std::atomic<std::uint32_t>* doorbell = nullptr;  ///< rung when `word` changes
};

}  // namespace detail

class abort_signal {
 public:
  abort_signal() noexcept = default;
  explicit abort_signal(const detail::abort_view& view) noexcept : view_(view) {}

  /// True once the caller has asked for the call to stop, or its timeout has passed and its grace runs.
  /// Cost: a load; with a timeout and a grace, a clock reading as well (about 20 ns).
  [[nodiscard]] bool requested() const noexcept;
  /// Throws selvage::error (errc::aborted) where requested().
  void throw_if_requested() const;
  /// Sleeps until requested() or until the time is over, whichever is first. Returns: requested(). Blocks.
  bool wait_for(std::chrono::nanoseconds time) const;

 private:
  detail::abort_view view_;
};

}  // namespace selvage

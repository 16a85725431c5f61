#pragma once
// The calls that wait in this process while every worker has enough: first in, first out, bounded by count and by
// bytes.
// Under the pool's lock. Holds a reference to each of its calls.

#include <cstddef>

#include <selvage/detail/call_state.hpp>

namespace selvage::host {

class call_queue {
 public:
  using call_state = detail::call_state;
  using call_ptr = detail::call_ref<call_state>;

  call_queue(unsigned max_calls, std::size_t max_bytes, detail::call_place place = detail::call_place::queued) noexcept
      : max_calls_(max_calls), max_bytes_(max_bytes), place_(place) {}
  call_queue(const call_queue&) = delete;
  call_queue& operator=(const call_queue&) = delete;
  ~call_queue() {
    while (pop()) {
    }
  }

  [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
  [[nodiscard]] unsigned size() const noexcept { return size_; }
  /// A single payload passes even when it is larger than the whole bound: nothing that fits an arena waits for ever.
  [[nodiscard]] bool has_room_for(std::size_t bytes) const noexcept {
    return size_ < max_calls_ && (bytes_ == 0 || bytes_ + bytes <= max_bytes_);
  }

  void push_back(call_ptr call) noexcept { link(call.detach(), last_, nullptr); }
  /// For calls that come back from a worker: they were first.
  void push_front(call_ptr call) noexcept { link(call.detach(), nullptr, first_); }
  /// The first call; it stays. Null where there is none.
  [[nodiscard]] call_state* front() const noexcept { return first_; }
  [[nodiscard]] call_ptr pop() noexcept { return first_ == nullptr ? call_ptr() : take_out(*first_); }
  /// Takes a call out from wherever it is, for instance because it was aborted. Requires: it is in this queue.
  [[nodiscard]] call_ptr take_out(call_state& call) noexcept {
    (call.previous == nullptr ? first_ : call.previous->next) = call.next;
    (call.next == nullptr ? last_ : call.next->previous) = call.previous;
    call.previous = call.next = nullptr;
    --size_;
    bytes_ -= call.kept.capacity;
    call.place = detail::call_place::nowhere;
    return call_ptr(&call);
  }

 private:
  void link(call_state* call, call_state* before, call_state* behind) noexcept {
    call->place = place_;
    call->previous = before;
    call->next = behind;
    (before == nullptr ? first_ : before->next) = call;
    (behind == nullptr ? last_ : behind->previous) = call;
    ++size_;
    bytes_ += call->kept.capacity;
  }

  call_state* first_ = nullptr;
  call_state* last_ = nullptr;
  unsigned size_ = 0;
  std::size_t bytes_ = 0;
  unsigned max_calls_;
  std::size_t max_bytes_;
  detail::call_place place_;
};

}  // namespace selvage::host

#pragma once
// The calls that wait in this process while every worker has enough: first in, first out, bounded by count and by
// bytes.
// Under the pool's lock. Holds a reference to each of its calls.

#include <cstddef>
#include <vector>

#include <selvage/detail/call_state.hpp>

namespace selvage::host {

class call_queue {
 public:
  using call_state = detail::call_state;
  using call_ptr = detail::call_ref<call_state>;

  /// Calls that were settled while they were queued are let go into `settled`, which the owner empties without its
  /// lock.
  call_queue(unsigned max_calls, std::size_t max_bytes, std::vector<call_ptr>& settled,
             detail::call_place place = detail::call_place::queued) noexcept
      : max_calls_(max_calls), max_bytes_(max_bytes), settled_(settled), place_(place) {}
  call_queue(const call_queue&) = delete;
  call_queue& operator=(const call_queue&) = delete;
  ~call_queue() {
    while (pop()) {
    }
  }

  [[nodiscard]] bool empty() const noexcept { return live_ == 0; }
  [[nodiscard]] unsigned size() const noexcept { return live_; }
  /// A single payload passes even when it is larger than the whole bound: nothing that fits an arena waits for ever.
  [[nodiscard]] bool has_room_for(std::size_t bytes) const noexcept {
    return live_ < max_calls_ && (bytes_ == 0 || bytes_ + bytes <= max_bytes_);
  }

  void push_back(call_ptr call) noexcept {
    call_state* const last = admit(call);
    last->next = nullptr;
    (last_ == nullptr ? first_ : last_->next) = last;
    last_ = last;
  }
  /// For calls that come back from a worker: they were first.
  void push_front(call_ptr call) noexcept {
    call_state* const head = admit(call);
    head->next = first_;
    first_ = head;
    if (last_ == nullptr) last_ = head;
  }
  /// The first call that still waits; it stays. Null where there is none.
  [[nodiscard]] call_state* front() noexcept {
    drop_settled();
    return first_;
  }
  [[nodiscard]] call_ptr pop() noexcept {
    drop_settled();
    if (first_ == nullptr) return {};
    leave(*first_);
    return unlink_first();
  }
  /// A queued call was settled from outside: it no longer counts, and goes when it comes to the front.
  void leave(call_state& call) noexcept {
    --live_;
    bytes_ -= call.kept.capacity;
    call.place = detail::call_place::nowhere;
  }

 private:
  call_state* admit(call_ptr& call) noexcept {
    call->place = place_;
    ++live_;
    bytes_ += call->kept.capacity;
    return call.detach();
  }
  call_ptr unlink_first() noexcept {
    call_state* const call = first_;
    first_ = call->next;
    if (first_ == nullptr) last_ = nullptr;
    return call_ptr(call);
  }
  void drop_settled() noexcept {
    while (first_ != nullptr && first_->place != place_) settled_.push_back(unlink_first());
  }

  call_state* first_ = nullptr;
  call_state* last_ = nullptr;
  unsigned live_ = 0;
  std::size_t bytes_ = 0;
  unsigned max_calls_;
  std::size_t max_bytes_;
  std::vector<call_ptr>& settled_;
  detail::call_place place_;
};

}  // namespace selvage::host

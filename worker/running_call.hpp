#pragma once
// What a thunk sees of the worker: the call that it runs, and where its answer goes. Private to worker/loop.cpp.
// Never: toggles a bit of the protocol itself; the loop does, through close().

#include <exception>
#include <memory>

#include "worker/loop.hpp"

namespace selvage::worker {

/// The one answer of a coroutine task, given some time after its thunk returned, or before.
class loop::deferred_reply final : public detail::reply_port {
 public:
  virtual ~deferred_reply() = default;

  void begin(loop& owner, unsigned slot, std::uint64_t started_ns) noexcept {
    owner_ = &owner;
    slot_ = slot;
    started_ns_ = started_ns;
  }
  void reply(const detail::payload_source& result) noexcept override {
    owner_->results_.write(slot_, result);
    owner_->close_deferred(slot_, started_ns_);
  }
  void fail(std::exception_ptr problem) noexcept override {
    owner_->results_.write_failure(slot_, problem);
    owner_->close_deferred(slot_, started_ns_);
  }

 private:
  loop* owner_ = nullptr;
  unsigned slot_ = 0;
  std::uint64_t started_ns_ = 0;
};

/// One object, used again for each call.
class loop::running_call final : public detail::call_context, public detail::reply_port {
 public:
  explicit running_call(class loop& owner) noexcept : owner_(owner) {}
  virtual ~running_call() = default;

  void begin(unsigned slot, const shm::taken_call& call, std::uint64_t started_ns) noexcept {
    slot_ = slot;
    started_ns_ = started_ns;
    answered_ = false;
    deferred_to_ = nullptr;
    arguments = {static_cast<detail::payload_form>(call.form), {call.payload, static_cast<std::size_t>(call.length)}};
    abort = abort_signal({.word = &owner_.words_.abort,
                          .mask = shm::bit(slot),
                          .base = (call.flags & shm::request_flags::abort_base) != 0 ? shm::bit(slot) : 0,
                          .soft_limit_ns = soft_limit(call),
                          .doorbell = &owner_.words_.doorbell});
  }

  [[nodiscard]] bool answered() const noexcept { return answered_ || deferred(); }
  [[nodiscard]] bool deferred() const noexcept { return deferred_to_ != nullptr; }

  detail::reply_port& port() noexcept override { return *this; }
  detail::reply_port& defer() override {
    if (!owner_.deferred_replies_) {
      owner_.deferred_replies_ = std::make_unique<std::array<deferred_reply, shm::slots_per_lane>>();
    }
    deferred_to_ = &(*owner_.deferred_replies_)[slot_];
    deferred_to_->begin(owner_, slot_, started_ns_);
    owner_.deferred_ |= shm::bit(slot_);
    return *deferred_to_;
  }
  detail::event_loop& loop(std::unique_ptr<detail::event_loop> (*make)()) override {
    if (!owner_.events_) owner_.events_ = make();
    return *owner_.events_;
  }

  void reply(const detail::payload_source& result) noexcept override {
    owner_.results_.write(slot_, result);
    answered_ = true;
  }
  /// Also for what a thunk throws after it has deferred: the answer is then given through the deferred port, unless
  /// it has been given already.
  void fail(std::exception_ptr problem) noexcept override {
    if (!deferred()) {
      owner_.results_.write_failure(slot_, problem);
      answered_ = true;
    } else if (shm::test(owner_.deferred_, slot_)) {
      deferred_to_->fail(problem);
    }
  }

 private:
  [[nodiscard]] std::uint64_t soft_limit(const shm::taken_call& call) const noexcept {
    if (call.soft_limit == 0) return base::never_ns;
    return base::saturating_add(started_ns_, shm::unpacked_time_ns(call.soft_limit));
  }

  class loop& owner_;
  unsigned slot_ = 0;
  std::uint64_t started_ns_ = 0;
  bool answered_ = false;
  deferred_reply* deferred_to_ = nullptr;
};

}  // namespace selvage::worker

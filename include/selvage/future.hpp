#pragma once
// The outcome of a call, now or later.
//
//   selvage::future<int> sum = pool.call(add, 1, 2);
//   int three = sum.get();                                   // or throws selvage::error
//   tl::expected<int, selvage::error> r = sum.result();      // or never throws
//
// A future that is dropped before its outcome is known aborts its call: nobody wants it any more. detach() says
// otherwise. So are the calls that it still waits for as arguments. A task that runs already and does not heed its
// abort_signal runs on, unless the call has a grace. Waiting does the pool's work: the waiting thread collects answers
// for everybody while it waits.
//
// Thread-safety: one thread at a time per future; any number of futures from any number of threads. A future may
// outlive its pool: by then it is settled.

#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <type_traits>
#include <utility>

#include <selvage/detail/call_state.hpp>
#include <selvage/detail/codec.hpp>
#include <selvage/detail/contract.hpp>

namespace selvage {

namespace detail {

/// The typed half of a call_state as its future sees it.
template <class T>
class result_state : public call_state {
 public:
  /// Requires: settled. The value moves out.
  virtual tl::expected<T, error> take() = 0;
};

/// Bytes aligned for the codec, private to this process.
class private_bytes {
 public:
  /// Copies once from memory that a worker may be changing.
  void assign(std::span<const std::byte> hostile) {
    storage_.reset(new std::byte[hostile.size() + 1]);  // new[] aligns to 16
    size_ = hostile.size();
    if (size_ != 0) std::memcpy(storage_.get(), hostile.data(), size_);
  }
  [[nodiscard]] std::span<const std::byte> view() const noexcept { return {storage_.get(), size_}; }
  void clear() noexcept { storage_.reset(); }

 private:
  std::unique_ptr<std::byte[]> storage_;
  std::size_t size_ = 0;
};

/// Requires: the call is not settled, or its pool lives.
[[nodiscard]] std::string name_of_task(const call_state& call);
[[nodiscard]] error bad_response(const call_state& call, std::string task, std::string what);

/// A call of a task that returns R. Fixed and flat answers become a value at once, with one copy; tables are copied,
/// and verified and decoded by the thread that asks for them.
template <class R>
class typed_call final : public result_state<typename result_codec<R>::host_type> {
  using codec = result_codec<R>;
  using host_type = typename codec::host_type;
  static constexpr bool is_void = std::is_void_v<host_type>;
  using stored = std::conditional_t<is_void, bool, host_type>;

 public:
  std::string receive(const payload_view& answer) override {
    if (answer.form != codec::form) return "the answer is in another form than the task's result";
    if constexpr (is_void) {
      return {};
    } else if constexpr (codec::form == payload_form::flat) {
      return settle(codec::read_flat(answer.bytes));
    } else if constexpr (codec::form == payload_form::fixed) {
      alignas(payload_alignment) std::byte copy[128];
      if (answer.bytes.size() > sizeof copy) return "the answer is larger than the task's result";
      if (!answer.bytes.empty()) std::memcpy(copy, answer.bytes.data(), answer.bytes.size());
      return settle(codec::read({payload_form::fixed, {copy, answer.bytes.size()}}));
    } else {
      undecoded_.assign(answer.bytes);
      task_name_ = name_of_task(*this);  // pool and task may be gone when the value is asked for
      return {};
    }
  }

  tl::expected<host_type, error> take() override {
    if (this->problem) return tl::make_unexpected(*this->problem);
    if constexpr (is_void) {
      return {};
    } else {
      if constexpr (codec::form == payload_form::table) {
        auto decoded = codec::read({payload_form::table, undecoded_.view()});
        undecoded_.clear();
        if (!decoded)
          return tl::make_unexpected(bad_response(*this, std::move(task_name_), std::move(decoded.error())));
        return std::move(*decoded);
      } else {
        return std::move(*value_);
      }
    }
  }

 private:
  template <class Decoded>
  std::string settle(Decoded&& decoded) {
    if (!decoded) return std::move(decoded.error());
    value_.emplace(std::move(*decoded));
    return {};
  }

  std::optional<stored> value_;
  private_bytes undecoded_;
  std::string task_name_;  // of a table
};

}  // namespace detail

template <class T>
class [[nodiscard]] future {
 public:
  using value_type = T;

  future() noexcept = default;
  explicit future(detail::call_ref<detail::result_state<T>> call) noexcept : call_(std::move(call)) {}
  future(future&&) noexcept = default;
  future& operator=(future&& other) noexcept {
    if (this != &other) {
      drop();
      call_ = std::move(other.call_);
    }
    return *this;
  }
  ~future() { drop(); }

  /// False for a default-constructed, moved-from or consumed future.
  [[nodiscard]] bool valid() const noexcept { return static_cast<bool>(call_); }
  /// The outcome is known. Never blocks, and does no work for the pool: a loop over ready() alone makes no progress.
  [[nodiscard]] bool ready() const noexcept { return call_ && call_->settled(); }

  /// Blocks until the outcome is known. Requires, as all that follows: valid(); the program is ended otherwise.
  void wait() {
    require_valid();
    (void)detail::wait_until_settled(*call_.get(), ~std::uint64_t{0});
  }
  /// The same for a bounded time, which is over at the end of what is being done just then. One round of the pool's
  /// work is done in any case: a loop over wait_for(0s) makes progress. Returns: ready().
  bool wait_for(std::chrono::nanoseconds time) {
    require_valid();
    return detail::wait_until_settled(*call_.get(), detail::deadline_after(time));
  }

  /// Waits, then gives the value or throws selvage::error. Consumes the future.
  T get() {
    auto outcome = result();
    if (!outcome) throw error(std::move(outcome.error()));
    if constexpr (!std::is_void_v<T>) return std::move(*outcome);
  }
  /// Waits, then gives the value or the error. Throws only std::bad_alloc. Consumes the future.
  tl::expected<T, error> result() {
    wait();
    const auto call = std::move(call_);
    return call->take();
  }

  /// Asks for the call to stop. Before its start it never runs (errc::aborted); while it runs its abort_signal is
  /// raised, and if it has a grace its worker is killed when that is over. A result that comes first is kept. Never
  /// blocks.
  void abort() noexcept {
    if (call_) detail::abort_call(*call_.get());
  }

  /// Calls `callback(tl::expected<T, error>)` on the pool's helper thread once the outcome is known, one callback after
  /// another, in the order in which the calls settle; at once, on this thread, where it is known already. The callback
  /// may use and destroy the pool; it must not throw. Consumes the future.
  template <class Callback>
  void then(Callback callback) {
    require_valid();
    auto* call = call_.get();
    auto shared = std::make_shared<std::pair<detail::call_ref<detail::result_state<T>>, Callback>>(std::move(call_),
                                                                                                   std::move(callback));
    detail::notify_when_settled(*call, [shared] { shared->second(std::exchange(shared->first, {})->take()); });
  }

  /// Lets the call go on with nobody waiting for it. Consumes the future.
  void detach() noexcept { call_.reset(); }

  /// For selvage's own parts (futures as arguments, async_call).
  [[nodiscard]] detail::result_state<T>* state() const noexcept { return call_.get(); }
  [[nodiscard]] detail::call_ref<detail::result_state<T>> release_state() noexcept { return std::move(call_); }

 private:
  void require_valid() const noexcept {
    detail::require(valid(), "a future without a call was asked for its outcome: it is empty, moved from, or consumed");
  }
  void drop() noexcept {
    if (call_ && !call_->settled()) detail::abort_call(*call_.get());
    call_.reset();
  }

  detail::call_ref<detail::result_state<T>> call_;
};

}  // namespace selvage

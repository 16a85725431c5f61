#pragma once
// Large payloads without copies: arguments built where the worker reads them, results read where the worker wrote them.
//
//   auto image = pool.call(blur, selvage::in_place(size, [&](std::span<std::byte> out) { camera.read_into(out); }));
//   selvage::trusted_view view = pool.call_trusted(blur, pixels).get();
//   screen.draw(view.bytes());                       // the slot goes back when `view` is destroyed
//
// Thread-safety: values; a view may be read by any number of threads.

#include <cstddef>
#include <span>
#include <string_view>
#include <utility>

#include <selvage/future.hpp>

namespace selvage {

namespace detail {
class view_call;
}

/// An argument for a task with one parameter that is a string, a byte span or a vector or span of scalars.
template <class Fill>
struct in_place_argument {
  std::size_t size;  ///< bytes
  Fill fill;         ///< void(std::span<std::byte>), called once, before call() returns; it may use the pool
};

template <class Fill>
[[nodiscard]] in_place_argument<Fill> in_place(std::size_t size, Fill fill) {
  return {size, std::move(fill)};
}

/// A trusted task's result, still in shared memory. It holds a slot of its worker's lane: views hold at most half of a
/// lane's slots and of its arena, and leave room for a result of pool_options::payload_cap; beyond that, results are
/// copied, and the view is of the copy. A worker that dies is not replaced before the last view of its lane is gone,
/// and the last answered future whose view was not taken.
class trusted_view {
 public:
  trusted_view() noexcept = default;
  trusted_view(trusted_view&&) noexcept = default;
  trusted_view& operator=(trusted_view&& other) noexcept {
    if (this != &other) {
      give_back();
      bytes_ = other.bytes_;
      held_ = std::move(other.held_);
    }
    return *this;
  }
  ~trusted_view() { give_back(); }

  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::string_view text() const noexcept {
    return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
  }

 private:
  friend class detail::view_call;
  trusted_view(std::span<const std::byte> bytes, detail::call_ref<detail::call_state> held) noexcept
      : bytes_(bytes), held_(std::move(held)) {}
  void give_back() noexcept {
    if (held_) detail::release_in_place(*held_.get());
    held_.reset();
  }

  std::span<const std::byte> bytes_;
  detail::call_ref<detail::call_state> held_;
};

namespace detail {

/// The call behind a future<trusted_view>.
class view_call final : public result_state<trusted_view> {
 public:
  view_call() noexcept = default;
  view_call(const view_call&) = delete;
  view_call& operator=(const view_call&) = delete;
  ~view_call() override {
    if (in_place) release_in_place(*this);  // nobody took the view
  }

  std::string receive(const payload_view& answer) override {
    if (answer.form != payload_form::flat) return "the answer is in another form than the task's result";
    copy_.assign(answer.bytes);
    bytes_ = copy_.view();
    return {};
  }
  bool keep_in_place(const payload_view& answer) override {
    bytes_ = answer.bytes;
    return answer.form == payload_form::flat;
  }
  tl::expected<trusted_view, error> take() override {
    if (problem) return tl::make_unexpected(*problem);
    return trusted_view(bytes_, call_ref<call_state>::share(this));
  }

 private:
  private_bytes copy_;
  std::span<const std::byte> bytes_;
};

}  // namespace detail

}  // namespace selvage

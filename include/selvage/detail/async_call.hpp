#pragma once
// pool::async_call: a call as an Asio asynchronous operation. Included by <selvage/asio.hpp>.

#include <cstddef>
#include <exception>
#include <memory>
#include <thread>
#include <tuple>
#include <type_traits>
#include <utility>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include <selvage/pool.hpp>

namespace selvage::detail {

template <class T>
struct completion {
  static_assert(std::is_default_constructible_v<T>,
                "an Asio handler gets a T even when the call failed: T must be default-constructible");
  using signature = void(std::exception_ptr, T);
  template <class Handler>
  static void run(Handler& handler, tl::expected<T, error> outcome) {
    if (outcome) return std::move(handler)(std::exception_ptr(), std::move(*outcome));
    std::move(handler)(std::make_exception_ptr(outcome.error()), T());
  }
};
template <>
struct completion<void> {
  using signature = void(std::exception_ptr);
  template <class Handler>
  static void run(Handler& handler, tl::expected<void, error> outcome) {
    std::move(handler)(outcome ? std::exception_ptr() : std::make_exception_ptr(outcome.error()));
  }
};

/// Completes `handler` on its executor once the call is settled. Where that is so already, not at once: an initiating
/// function must not run its handler. Cancelling the operation aborts the call.
template <class T, class Handler>
void complete_with(future<T> started, Handler handler) {
  auto slot = boost::asio::get_associated_cancellation_slot(handler);
  if (slot.is_connected()) {
    auto call = std::make_shared<call_ref<call_state>>(call_ref<call_state>::share(started.state()));
    slot.assign([call](boost::asio::cancellation_type) { abort_call(*call->get()); });
  }
  auto work = boost::asio::make_work_guard(boost::asio::get_associated_executor(handler));
  started.then([handler = std::move(handler), slot, work = std::move(work),
                initiated_on = std::this_thread::get_id()](tl::expected<T, error> outcome) mutable {
    auto executor = work.get_executor();
    auto complete = [handler = std::move(handler), slot, outcome = std::move(outcome)]() mutable {
      if (slot.is_connected()) slot.clear();
      completion<T>::run(handler, std::move(outcome));
    };
    if (initiated_on == std::this_thread::get_id()) {
      boost::asio::post(executor, std::move(complete));
    } else {
      boost::asio::dispatch(executor, std::move(complete));
    }
    work.reset();
  });
}

}  // namespace selvage::detail

namespace selvage {

template <class F, class... A>
auto pool::async_call(const task<F>& task, A&&... arguments_then_token) {
  return async_call_with({}, task, std::forward<A>(arguments_then_token)...);
}

template <class F, class... A>
auto pool::async_call_with(const call_options& options, const task<F>& task, A&&... arguments_then_token) {
  static_assert(sizeof...(A) >= 1,
                "the last argument of async_call is a completion token, e.g. boost::asio::use_awaitable");
  using T = typename selvage::task<F>::result;
  auto all = std::forward_as_tuple(std::forward<A>(arguments_then_token)...);
  constexpr std::size_t count = sizeof...(A) - 1;
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    using token_type = std::tuple_element_t<count, std::tuple<A...>>;
    auto& token = std::get<count>(all);
    return boost::asio::async_initiate<token_type, typename detail::completion<T>::signature>(
        [this, options, task](auto handler, auto&&... arguments) {
          // this->: clang 14 otherwise takes the captured `this` for unused, and warns whoever includes this
          detail::complete_with<T>(
              this->begin(options, detail::when_full::line, task, std::forward<decltype(arguments)>(arguments)...),
              std::move(handler));
        },
        token, std::get<I>(std::move(all))...);  // NOLINT(bugprone-use-after-move): each argument once
  }
  (std::make_index_sequence<count>{});
}

}  // namespace selvage

#pragma once
// Tasks that are coroutines: several of them interleave in one worker, each answered when it has finished. Included by
// <selvage/asio.hpp>.
//
//   const auto fetch = selvage::task("fetch", [](std::string host) -> boost::asio::awaitable<std::string> {
//     boost::asio::ip::tcp::resolver resolver(co_await boost::asio::this_coro::executor);
//     ...
//   });
//
// Thread-safety: all coroutines of a worker run on its main thread, between the calls that it takes. One that
// blocks holds up the others.

#include <exception>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <selvage/task.hpp>

namespace selvage::detail {

/// The io_context of a worker.
class asio_event_loop final : public event_loop {
 public:
  [[nodiscard]] static std::unique_ptr<event_loop> make() { return std::make_unique<asio_event_loop>(); }
  ~asio_event_loop() override { bell_.release(); }  // the worker's

  void poll() override {
    context_.restart();
    context_.poll();
  }
  void wait(int event_fd) override {
    if (!bell_.is_open()) bell_.assign(event_fd);
    if (!std::exchange(listening_, true)) {
      bell_.async_wait(bell_.wait_read, [this](const boost::system::error_code&) { listening_ = false; });
    }
    context_.restart();
    context_.run_one();
  }
  [[nodiscard]] boost::asio::io_context& context() noexcept { return context_; }

 private:
  boost::asio::io_context context_{1};
  boost::asio::posix::stream_descriptor bell_{context_};
  bool listening_ = false;
};

template <class R>
boost::asio::awaitable<void> answer_later(boost::asio::awaitable<R> running, reply_port& port) {
  std::exception_ptr problem;
  try {
    if constexpr (std::is_void_v<R>) {
      co_await std::move(running);
      port.reply({});
    } else {
      const R value = co_await std::move(running);
      port.reply(result_codec<R>::source(value));
    }
    co_return;
  } catch (...) {
    problem = std::current_exception();
  }
  port.fail(problem);
}

template <class R, class Executor>
struct task_result<boost::asio::awaitable<R, Executor>> {
  static_assert(std::is_same_v<Executor, boost::asio::any_io_executor>,
                "selvage: a coroutine task returns boost::asio::awaitable<R> with its default executor");
  using type = R;
};

template <lead Lead, class R, class... P>
struct call_shape<Lead, boost::asio::awaitable<R>, P...> {
  static_assert((!std::is_reference_v<P> && ...),
                "selvage: a coroutine task takes values, string views and spans, not references: what they refer to "
                "ends before it does");

  using arguments = arguments_codec<P...>;
  using result = R;
  using host_type = typename result_codec<R>::host_type;
  using parameter_types = std::tuple<P...>;
  static constexpr std::size_t arity = sizeof...(P);
  static constexpr bool takes_item = Lead == lead::item;
  static constexpr bool needs_event_loop = true;

  template <class F>
  static void run(const void* closure, call_context& context) {
    F& function = *const_cast<F*>(static_cast<const F*>(closure));  // a worker owns its copy of the host's memory
    auto& loop = static_cast<asio_event_loop&>(context.loop(&asio_event_loop::make));
    arguments::invoke(context.arguments, [&](auto&&... values) {
      // Suspended from the start, its parameters in its frame; views are of the request arena, valid until the answer.
      boost::asio::awaitable<R> running = call_with_lead<Lead>(function, context, static_cast<P&&>(values)...);
      boost::asio::co_spawn(loop.context(), answer_later<R>(std::move(running), context.defer()),
                            boost::asio::detached);
    });
  }
};

}  // namespace selvage::detail

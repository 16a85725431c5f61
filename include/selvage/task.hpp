#pragma once
// A task: an ordinary C++ function with a name, to be run by a pool's workers.
//
//   int add(int a, int b);
//   const auto sum   = selvage::task("sum", add);
//   const auto hello = selvage::task("hello", [](std::string_view who) { return "hello " + std::string(who); });
//   const auto slow  = selvage::task("slow", decode_png, {.timeout = std::chrono::seconds(2)});
//
// The function's parameters and result cross a process boundary: see docs/payloads.md for the types that can. One that
// cannot (a raw pointer, a function, a reference to something mutable) does not compile. A leading
// selvage::abort_signal parameter is supplied by the worker, and a leading selvage::item_context by a run.
//
// Thread-safety: immutable; copies share. Cost of a copy: one reference count.

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include <selvage/detail/codec.hpp>
#include <selvage/detail/task_record.hpp>
#include <selvage/item_context.hpp>
#include <selvage/options.hpp>

namespace selvage {

namespace detail {

template <class... P>
struct parameters {};

// Result and parameters of a callable with one signature.
template <class F>
struct signature_of {
  static_assert(sizeof(F) == 0,
                "selvage: a task is a function, or an object with one call operator that is no template: write the "
                "parameter types of a generic lambda, and wrap a member function in a lambda");
  using result = void;
  using params = parameters<>;
};
template <class F>
requires requires { &F::operator(); }
struct signature_of<F> : signature_of<decltype(&F::operator())> {};
template <class R, class... P>
struct signature_of<R (*)(P...)> {
  using result = R;
  using params = parameters<P...>;
};
template <class R, class... P>
struct signature_of<R (*)(P...) noexcept> : signature_of<R (*)(P...)> {};
template <class C, class R, class... P>
struct signature_of<R (C::*)(P...)> : signature_of<R (*)(P...)> {};
template <class C, class R, class... P>
struct signature_of<R (C::*)(P...) const> : signature_of<R (*)(P...)> {};
template <class C, class R, class... P>
struct signature_of<R (C::*)(P...) noexcept> : signature_of<R (*)(P...)> {};
template <class C, class R, class... P>
struct signature_of<R (C::*)(P...) const noexcept> : signature_of<R (*)(P...)> {};

/// How a task's declared result becomes its answer. <selvage/asio.hpp> adds coroutines.
template <class R>
struct task_result {
  using type = R;
  template <class Invoke>
  static void run(call_context& context, Invoke&& invoke) {
    if constexpr (std::is_void_v<R>) {
      std::forward<Invoke>(invoke)();
      context.port().reply({});
    } else {
      R&& value = std::forward<Invoke>(invoke)();  // a reference or an extended temporary: no copy either way
      context.port().reply(result_codec<R>::source(value));
    }
  }
};

/// What a worker puts before the arguments of a call.
enum class lead : std::uint8_t { none, signal, item };

/// Calls a task's function. Requires, for lead::item: the first value is the item_wire.
template <lead Lead, class F, class... Values>
decltype(auto) call_with_lead(F& function, const call_context& context, Values&&... values) {
  if constexpr (Lead == lead::none) {
    return function(std::forward<Values>(values)...);
  } else if constexpr (Lead == lead::signal) {
    return function(context.abort, std::forward<Values>(values)...);
  } else {
    return [&](const item_wire& item, auto&&... rest) -> decltype(auto) {
      return function(item.in(context.abort), std::forward<decltype(rest)>(rest)...);
    }(std::forward<Values>(values)...);
  }
}

/// A function of these parameters: the thunk that decodes, calls and answers.
template <lead Lead, class R, class... P>
struct call_shape {
  using arguments = arguments_codec<P...>;
  using result = typename task_result<R>::type;
  using host_type = typename result_codec<result>::host_type;
  using parameter_types = std::tuple<P...>;
  static constexpr std::size_t arity = sizeof...(P);
  static constexpr bool takes_item = Lead == lead::item;

  template <class F>
  static void run(const void* closure, call_context& context) {
    F& function = *const_cast<F*>(static_cast<const F*>(closure));  // a worker owns its copy of the host's memory
    arguments::invoke(context.arguments, [&](auto&&... values) {
      task_result<R>::run(context,
                          [&]() -> R { return call_with_lead<Lead>(function, context, static_cast<P&&>(values)...); });
    });
  }
};

template <class R, class Params>
struct shape_of;
template <class R, class... P>
struct shape_of<R, parameters<P...>> : std::type_identity<call_shape<lead::none, R, P...>> {
  static_assert((!std::is_same_v<std::remove_cvref_t<P>, abort_signal> && ...),
                "selvage: selvage::abort_signal must be the first parameter of a task, taken by value");
};
template <class R, class... P>
struct shape_of<R, parameters<abort_signal, P...>> : std::type_identity<call_shape<lead::signal, R, P...>> {
  static_assert((!std::is_same_v<std::remove_cvref_t<P>, abort_signal> && ...),
                "selvage: a task takes one selvage::abort_signal");
};

template <class R, class... P>
struct shape_of<R, parameters<item_context, P...>> : std::type_identity<call_shape<lead::item, R, item_wire, P...>> {};
template <class R, class... P>
struct shape_of<R, parameters<const item_context&, P...>> : shape_of<R, parameters<item_context, P...>> {
  static_assert(
      !requires { call_shape<lead::item, R, item_wire, P...>::needs_event_loop; },
      "selvage: a coroutine task takes its selvage::item_context by value");
};

template <class F>
using shape_of_callable = typename shape_of<typename signature_of<F>::result, typename signature_of<F>::params>::type;

template <class Shape>
struct shape_signature;
template <lead Lead, class R, class... P>
struct shape_signature<call_shape<Lead, R, P...>> {
  using result = typename task_result<R>::type;
  static std::uint64_t hash() { return signature_hash<result, P...>(); }
  static std::string text() { return signature_text<result, P...>(); }
};

template <class F>
struct callable_record final : task_record {
  explicit callable_record(F f) : callable(std::move(f)) {
    closure = &callable;
    if constexpr (std::is_pointer_v<F>) function = reinterpret_cast<const void*>(callable);
    stateless = std::is_empty_v<F> && std::is_trivially_destructible_v<F>;
  }
  F callable;
};

}  // namespace detail

template <class F>
class task {
 public:
  using shape = detail::shape_of_callable<F>;
  using result = typename shape::host_type;

  /// `name`: not empty, and no other task's of the same pool; it stands in errors and figures.
  // NOLINTNEXTLINE(performance-unnecessary-value-param): it is moved from, which clang 14 does not see in a template
  task(std::string_view name, F function, task_options options = {}) {
    auto record = std::make_shared<detail::callable_record<F>>(std::move(function));
    record->name = name;
    record->options = std::move(options);
    record->run = &shape::template run<F>;
    record->signature_check = &detail::shape_signature<shape>::hash;
    record->signature_hash = record->signature_check();
    record->signature = detail::shape_signature<shape>::text();
    record->coroutine = requires { shape::needs_event_loop; };
    record->result_form = detail::result_codec<typename shape::result>::form;
    record_ = std::move(record);
  }

  /// For import_task.
  explicit task(std::shared_ptr<const detail::task_record> record) noexcept : record_(std::move(record)) {}

  [[nodiscard]] const std::string& name() const noexcept { return record_->name; }
  [[nodiscard]] const std::shared_ptr<const detail::task_record>& record() const noexcept { return record_; }

 private:
  std::shared_ptr<const detail::task_record> record_;
};

template <class F>
task(std::string_view, F) -> task<F>;
template <class F>
task(std::string_view, F, task_options) -> task<F>;

/// A task whose type is forgotten: for lists of tasks.
class any_task {
 public:
  template <class F>
  any_task(const task<F>& typed) : record_(typed.record()) {}  // implicit: a list of tasks is written as their names
  [[nodiscard]] const std::shared_ptr<const detail::task_record>& record() const noexcept { return record_; }

 private:
  std::shared_ptr<const detail::task_record> record_;
};

}  // namespace selvage

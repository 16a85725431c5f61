#pragma once
// From typed arguments to a submitted call: the thin templated layer between selvage::pool and its core.

#include <cstddef>
#include <exception>
#include <memory>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <selvage/detail/call_state.hpp>
#include <selvage/detail/codec.hpp>
#include <selvage/detail/contract.hpp>
#include <selvage/detail/task_record.hpp>
#include <selvage/future.hpp>
#include <selvage/options.hpp>

namespace selvage {
template <class Fill>
struct in_place_argument;
}

namespace selvage::detail {

enum class when_full : std::uint8_t {
  wait,    ///< block
  refuse,  ///< errc::queue_full
  line,    ///< wait behind the others without blocking: the queue takes it beyond its bound
};

// -- the core, in pool/

/// Posts or queues the call; its outcome, a refusal included, is settled in `call`. Throws only what
/// `arguments.write` throws.
void submit(pool_core& core, call_state& call, const task_record& task, const payload_source& arguments,
            const call_options& options, when_full full);

/// The call waits until each of `inputs` is settled; then whoever settled the last one runs `launch`, which submits it
/// or settles it. Where as many calls wait for inputs as may be queued, it waits for room, or is refused.
void submit_after(pool_core& core, call_state& call, const task_record& task, std::span<call_state* const> inputs,
                  const call_options& options, when_full full, std::function<void()> launch);
/// Settles a call that waits for its inputs with the error of one of them, or with what came of encoding their values.
void fail_waiting(pool_core& core, call_state& call, const std::exception_ptr& problem);
/// Submits a call that waited. Never blocks. Throws only what `arguments.write` throws: then fail_waiting is due.
void resume_waiting(pool_core& core, call_state& call, const payload_source& arguments);

// -- arguments

template <class T>
struct is_future : std::false_type {};
template <class T>
struct is_future<future<T>> : std::true_type {};

template <class T>
struct is_in_place : std::false_type {};
template <class Fill>
struct is_in_place<in_place_argument<Fill>> : std::true_type {};

/// Calls use(payload_source) with the encoding of these arguments, which live until it returns.
template <class Shape, class Use, class... A>
void with_source(Use&& use, A&... arguments) {
  if constexpr ((is_in_place<std::remove_cvref_t<A>>::value || ...)) {
    static_assert(sizeof...(A) == 1 && Shape::arguments::form == payload_form::flat,
                  "in_place builds the one argument of a task that takes a string, bytes or scalars and nothing else");
    auto& argument = std::get<0>(std::tie(arguments...));
    using argument_type = std::remove_reference_t<decltype(argument)>;
    use(payload_source{.form = payload_form::flat,
                       .bound = argument.size,
                       .write = [](const void* value, std::span<std::byte> out) -> extent {
                         auto& self = *static_cast<argument_type*>(const_cast<void*>(value));
                         self.fill(out.first(self.size));
                         return {0, self.size};
                       },
                       .value = &argument,
                       .foreign = true});
  } else {
    const auto held = Shape::arguments::hold(arguments...);
    use(Shape::arguments::source(held));
  }
}

/// What a call that waits keeps of an argument for a parameter of type P: the future itself, or a value that borrows
/// nothing.
template <class P, class A>
auto keep(A&& argument) {
  if constexpr (is_future<std::remove_cvref_t<A>>::value) {
    static_assert(!std::is_lvalue_reference_v<A>, "a future given as an argument is consumed: std::move it");
    require(argument.valid(), "a future without a call was given as an argument: it is empty, moved from, or consumed");
    return std::forward<A>(argument);
  } else {
    return own<P>(std::forward<A>(argument));
  }
}

/// The value of a kept argument whose outcome is known. Throws its error.
template <class A>
decltype(auto) settled_value(A& argument) {
  if constexpr (is_future<A>::value) {
    return argument.get();
  } else {
    return (argument);
  }
}

template <class A>
void add_input(std::vector<call_state*>& inputs, const A& argument) {
  if constexpr (is_future<A>::value) inputs.push_back(argument.state());
}

/// A call with futures among its arguments: all are kept until every outcome is known, then encoded.
template <class Shape, class... A>
void start_after(pool_core& core, call_state& call, const task_record& task, const call_options& options,
                 when_full full, A&&... arguments) {
  auto kept = [&]<std::size_t... I>(std::index_sequence<I...>) {
    using parameters = typename Shape::parameter_types;
    using values = std::tuple<decltype(keep<std::tuple_element_t<I, parameters>>(std::forward<A>(arguments)))...>;
    return std::make_shared<values>(keep<std::tuple_element_t<I, parameters>>(std::forward<A>(arguments))...);
  }
  (std::index_sequence_for<A...>{});
  std::vector<call_state*> inputs;
  std::apply([&](const auto&... each) { (add_input(inputs, each), ...); }, *kept);
  auto launch = [&core, &call, kept] {
    try {
      std::apply(
          [&](auto&... each) {
            const std::tuple<decltype(settled_value(each))...> known(settled_value(each)...);
            std::apply(
                [&](const auto&... value) {
                  with_source<Shape>([&](const payload_source& source) { resume_waiting(core, call, source); },
                                     value...);
                },
                known);
          },
          *kept);
    } catch (...) {
      fail_waiting(core, call, std::current_exception());
    }
  };
  submit_after(core, call, task, inputs, options, full, std::move(launch));
}

}  // namespace selvage::detail

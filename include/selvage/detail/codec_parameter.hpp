#pragma once
// One parameter of a task, between the caller's argument and the function: what the host holds of an argument until
// it is encoded, and what the worker holds while the function runs. Called by codec.hpp. Copies nothing that can be
// viewed.

#include <concepts>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <selvage/detail/codec_fixed.hpp>
#include <selvage/detail/codec_refusal.hpp>
#include <selvage/detail/codec_types.hpp>

namespace selvage::detail {

/// For a parameter declared as P: `stored` is decoded in the worker and passed to the function by pass(); `owned` is
/// its counterpart that views nothing, for a host that has to keep it. selvage/flatbuffers.hpp specialises this for
/// generated tables.
template <class P>
struct parameter {
  using stored = std::remove_cvref_t<P>;
  using owned = stored;
  static P&& pass(stored& value) { return static_cast<P&&>(value); }
};

template <class P>
requires std::is_same_v<std::remove_cvref_t<P>, std::string_view>
struct parameter<P> {
  using stored = std::string_view;
  using owned = std::string;
  static P&& pass(stored& value) { return static_cast<P&&>(value); }
};

template <class P>
requires is_readable_span<std::remove_cvref_t<P>>
struct parameter<P> {
  using span = std::remove_cvref_t<P>;
  using owned = std::vector<typename span::value_type>;
  /// Elements that are not plain bytes (strings, vectors) are decoded into a vector first.
  using stored = std::conditional_t<kind<typename span::value_type> == wire_kind::fixed &&
                                        blit<typename span::value_type, origin::trusted>,
                                    span, owned>;
  static P pass(stored& value) requires(!std::is_reference_v<P>) { return P(value); }
  static span pass(stored& value) requires std::is_reference_v<P> { return span(value); }
};

/// Does not compile where P cannot be a parameter; says why.
template <class P>
constexpr void require_declared_parameter() {
  if constexpr (nested_codec<typename parameter<P>::stored>::enabled) {
    return;
  } else {
    require_declared<P>();
  }
}

template <class A, class Element>
concept views_as_span = std::is_convertible_v<const A&, std::span<const Element>>;

/// The conversions of an ordinary call, but for two that lose what nobody would expect: here no compiler warns of them,
/// since they happen in this header.
template <class A, class Owned>
constexpr void require_a_whole_value() {
  static_assert(!(std::is_floating_point_v<A> && std::is_integral_v<Owned>),
                "selvage: an argument with a fraction is given for a whole number: convert it where you call");
  static_assert(!(std::is_pointer_v<A> && std::is_same_v<Owned, bool>),
                "selvage: a pointer is given for a bool: convert it where you call");
}

/// What is encoded for argument `a` of a parameter declared as P: a view of the caller's memory, a reference to it,
/// or, where the types differ, a converted value.
/// Ownership: views and references borrow from `a`.
template <class P, class A>
[[nodiscard]] constexpr decltype(auto) hold(const A& a) {
  using owned = typename parameter<P>::owned;
  if constexpr (std::is_same_v<A, owned>) {
    return (a);
  } else if constexpr (wire_string<owned> && std::is_convertible_v<const A&, std::string_view>) {
    return std::string_view(a);
  } else if constexpr (is_instance<owned, std::vector>) {
    using element = element_of<owned>;
    if constexpr (views_as_span<A, element>) {
      return std::span<const element>(a);
    } else {
      static_assert(std::is_convertible_v<const A&, owned>,
                    "selvage: an argument does not convert to the task's parameter");
      return owned(a);
    }
  } else {
    static_assert(std::is_convertible_v<const A&, owned>,
                  "selvage: an argument does not convert to the task's parameter");
    require_a_whole_value<A, owned>();
    return static_cast<owned>(a);
  }
}

/// A held value of its own, which outlives the argument.
template <class P, class A>
[[nodiscard]] typename parameter<P>::owned own(A&& a) {
  using owned = typename parameter<P>::owned;
  if constexpr (std::is_convertible_v<A&&, owned>) {
    require_a_whole_value<std::remove_cvref_t<A>, owned>();
    return static_cast<owned>(std::forward<A>(a));
  } else if constexpr (wire_string<owned>) {
    return owned(std::string_view(a));
  } else {
    const std::span<const element_of<owned>> view(a);
    return owned(view.begin(), view.end());
  }
}

}  // namespace selvage::detail

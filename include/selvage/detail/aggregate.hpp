#pragma once
// The members of a plain aggregate, without a line of code from the user: the one public header that includes
// Boost.PFR (why: docs/adr/0002-pfr-in-a-public-header.md). Called by codec_types.hpp. Never meets an aggregate that
// PFR would miscount: base classes and C array members are found here first.

#include <cstddef>
#include <type_traits>
#include <utility>

#include <boost/pfr/core.hpp>

namespace selvage::detail {

/// More members than this are refused: as many as Boost.PFR can name.
inline constexpr std::size_t max_members = 100;

/// Stands for an initialiser of any type, in unevaluated code.
struct any_initialiser {
  std::size_t index;
  template <class T>
  operator T&() const& noexcept {
    __builtin_unreachable();  // defined for types without linkage only
  }
  template <class T>
  operator T&() const&& noexcept {
    __builtin_unreachable();
  }
};

/// Stands for an initialiser of a base class of T, and of nothing else.
template <class T>
struct base_initialiser {
  template <class Base>
  requires(std::is_base_of_v<Base, T> && !std::is_same_v<Base, T>) operator Base() const noexcept {
    __builtin_unreachable();
  }
};

template <class T>
concept has_base_class = requires {
  T{base_initialiser<T>{}};
};

template <class T, std::size_t... I>
consteval bool takes(std::index_sequence<I...>) {
  return requires { T{any_initialiser{I}...}; };
}

/// Requires: T takes `Taken` initialisers and not `Refused`.
template <class T, std::size_t Taken, std::size_t Refused>
consteval std::size_t count_initialisers() {
  constexpr std::size_t middle = (Taken + Refused) / 2;
  if constexpr (middle == Taken) {
    return Taken;
  } else if constexpr (takes<T>(std::make_index_sequence<middle>{})) {
    return count_initialisers<T, middle, Refused>();
  } else {
    return count_initialisers<T, Taken, middle>();
  }
}

/// How many initialisers the aggregate T takes, max_members + 1 for any more. boost::pfr::tuple_size says the same,
/// but makes g++ 12 fail ("internal compiler error: in check_noexcept_r") for a member like std::array<std::string,
/// 2>.
template <class T>
inline constexpr std::size_t member_count =
    count_initialisers<T, 0, (sizeof(T) < max_members ? sizeof(T) : max_members + 1) + 1>();

template <class T, std::size_t... Before, std::size_t... After>
consteval bool one_initialiser_is_one_member(std::index_sequence<Before...>, std::index_sequence<After...>) {
  return requires { T{any_initialiser{Before}..., {}, any_initialiser{After}...}; };
}

/// Whether T has a C array among its members. Braces may be left out around an array's elements, so that an array
/// counts as many members as it has elements; with `{}` in its place the others are too many. Also true of a member
/// that cannot be initialised by `{}`.
template <class T>
consteval bool has_array_member() {
  constexpr std::size_t count = member_count<T>;
  return ![]<std::size_t... I>(std::index_sequence<I...>) {
    return (
        one_initialiser_is_one_member<T>(std::make_index_sequence<I>{}, std::make_index_sequence<count - 1 - I>{}) &&
        ...);
  }
  (std::make_index_sequence<count>{});
}

/// References to all members. Boost.PFR's own get() would count them first: see member_count.
template <class T>
constexpr auto tie_members(const T& aggregate) {
  return boost::pfr::detail::tie_as_tuple(aggregate, boost::pfr::detail::size_t_<member_count<T>>{});
}

template <std::size_t I, class T>
constexpr const auto& member(const T& aggregate) {
  return boost::pfr::detail::sequence_tuple::get<I>(tie_members(aggregate));
}

template <std::size_t I, class T>
using member_type = std::remove_const_t<std::remove_reference_t<decltype(member<I>(std::declval<const T&>()))>>;

/// Whether one of the members is a C array of one element, which is counted rightly but cannot be returned.
template <class T>
consteval bool has_array_of_one() {
  return []<std::size_t... I>(std::index_sequence<I...>) { return (std::is_array_v<member_type<I, T>> || ...); }
  (std::make_index_sequence<member_count<T>>{});
}

}  // namespace selvage::detail

#pragma once
// Which types can cross to another process, and as what: the codec's view of the type system. Called by every
// codec_*.hpp. Never touches a value.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include <selvage/detail/aggregate.hpp>
#include <selvage/detail/wire.hpp>

namespace selvage::detail {

/// What a type is on the wire.
enum class wire_kind : std::uint8_t {
  refused,   ///< cannot cross: refuse<T>() says why
  fixed,     ///< scalars, and records and arrays of nothing but scalars: a FlatBuffers struct
  string,    ///< a FlatBuffers string: bytes, UTF-8 or not
  sequence,  ///< a FlatBuffers vector: of structs, or of offsets to objects
  record,    ///< a table: pair, tuple, plain aggregate; one field per member, by position
  optional,  ///< a field that may be absent; elsewhere a table of one such field
  variant,   ///< a table: field 0 is the index (ubyte), field 1 + i the alternative i
  nested,    ///< a vector of bytes that hold a buffer of its own: see nested_codec
};

template <class T, template <class...> class Template>
inline constexpr bool is_instance = false;
template <template <class...> class Template, class... Args>
inline constexpr bool is_instance<Template<Args...>, Template> = true;

template <class T>
inline constexpr bool is_std_array = false;
template <class E, std::size_t N>
inline constexpr bool is_std_array<std::array<E, N>> = true;

template <class T>
inline constexpr bool is_span = false;
template <class E, std::size_t N>
inline constexpr bool is_span<std::span<E, N>> = true;

/// Spans that can be parameters and results: of any length, of elements that the task only reads.
template <class T>
inline constexpr bool is_readable_span = false;
template <class E>
inline constexpr bool is_readable_span<std::span<const E>> = true;

template <class T>
concept wire_scalar = (std::is_integral_v<T> && sizeof(T) <= 8) || std::is_same_v<T, float> ||
                      std::is_same_v<T, double> || std::is_enum_v<T>;

template <class T>
concept wire_duration = is_instance<T, std::chrono::duration> && wire_scalar<typename T::rep>;

template <class T>
concept wire_time_point = is_instance<T, std::chrono::time_point> && wire_duration<typename T::duration>;

template <class T>
concept wire_map = is_instance<T, std::map> || is_instance<T, std::unordered_map>;

template <class T>
concept wire_string =
    std::is_same_v<T, std::string> || std::is_same_v<T, std::string_view> || std::is_same_v<T, std::filesystem::path>;

/// What an aggregate must be for its members to be enumerated rightly. One branch for each question, which can only be
/// asked where those before it were answered.
// NOLINTBEGIN(bugprone-branch-clone)
template <class T>
consteval bool is_plain_aggregate() {
  if constexpr (!std::is_class_v<T> || !std::is_aggregate_v<T> || is_std_array<T>) {
    return false;
  } else if constexpr (!std::is_move_assignable_v<T>) {
    return false;  // const or reference members
  } else if constexpr (has_base_class<T>) {
    return false;
  } else if constexpr (member_count<T> > max_members || has_array_member<T>()) {
    return false;
  } else {
    return !has_array_of_one<T>();
  }
}
// NOLINTEND(bugprone-branch-clone)

/// Pairs, tuples and plain aggregates as one thing: members by position.
template <class T>
struct record;

template <class T>
concept has_pair_members = is_instance<T, std::pair> || is_instance<T, std::tuple>;

template <class T>
requires has_pair_members<T>
struct record<T> {
  static constexpr std::size_t size = std::tuple_size_v<T>;
  template <std::size_t I>
  using member = std::remove_const_t<std::tuple_element_t<I, T>>;
  template <std::size_t I>
  static constexpr const auto& get(const T& value) {
    return std::get<I>(value);
  }
};

template <class T>
requires(!has_pair_members<T> && is_plain_aggregate<T>()) struct record<T> {
  static constexpr std::size_t size = member_count<T>;
  template <std::size_t I>
  using member = std::remove_const_t<member_type<I, T>>;
  template <std::size_t I>
  static constexpr const auto& get(const T& value) {
    return detail::member<I>(value);
  }
};

template <class T>
concept wire_record = requires {
  record<T>::size;
};

/// Calls f<I>() for each index, and returns what f(integral_constants...) makes of them all.
template <std::size_t N, class F>
constexpr decltype(auto) for_indices(F&& f) {
  return [&]<std::size_t... I>(std::index_sequence<I...>)->decltype(auto) {
    return f(std::integral_constant<std::size_t, I>{}...);
  }
  (std::make_index_sequence<N>{});
}

template <class T>
consteval bool is_fixed();

template <class T>
consteval bool has_fixed_members() {
  return for_indices<record<T>::size>(
      [](auto... i) { return (is_fixed<typename record<T>::template member<i>>() && ...); });
}

template <class T>
consteval bool is_fixed() {
  if constexpr (wire_scalar<T> || wire_duration<T> || wire_time_point<T> || std::is_same_v<T, std::monostate>) {
    return true;
  } else if constexpr (is_std_array<T>) {
    return is_fixed<typename T::value_type>();
  } else if constexpr (wire_record<T>) {
    return has_fixed_members<T>();
  } else {
    return false;
  }
}

template <class T>
consteval wire_kind kind_of() {
  if constexpr (nested_codec<T>::enabled) {
    return wire_kind::nested;
  } else if constexpr (wire_string<T>) {
    return wire_kind::string;
  } else if constexpr (is_fixed<T>()) {
    return wire_kind::fixed;
  } else if constexpr (is_instance<T, std::vector> || is_instance<T, std::set> || wire_map<T> || is_std_array<T> ||
                       is_readable_span<T>) {
    return wire_kind::sequence;
  } else if constexpr (is_instance<T, std::optional>) {
    return wire_kind::optional;
  } else if constexpr (is_instance<T, std::variant>) {
    return wire_kind::variant;
  } else if constexpr (wire_record<T>) {
    return wire_kind::record;
  } else {
    return wire_kind::refused;
  }
}

template <class T>
inline constexpr wire_kind kind = kind_of<T>();

/// Contiguous sequences, which can be copied at once and viewed as spans.
template <class T>
concept contiguous_sequence = kind<T>
== wire_kind::sequence && !std::is_same_v<T, std::vector<bool>> && (is_instance<T, std::vector> || is_readable_span<T>);

/// The element of a sequence; of a map, the pair.
template <class T>
struct sequence_element {
  using type = typename T::value_type;
};
template <wire_map T>
struct sequence_element<T> {
  using type = std::pair<typename T::key_type, typename T::mapped_type>;
};
template <class T>
using element_of = typename sequence_element<T>::type;

}  // namespace selvage::detail

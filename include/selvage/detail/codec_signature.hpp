#pragma once
// The identity of a task's types: a hash that a host and a separately started worker compare, and words for error
// messages. Called by whoever registers tasks. Says nothing about a task's name or code.
//
//   static_assert(signature_hash<int, int, std::string_view>() != signature_hash<int, int, std::vector<int>>());
//   signature_text<int, double>()                                             // "int (double)"

#include <cstdint>
#include <string>
#include <string_view>

#include <selvage/detail/codec_types.hpp>

namespace selvage::detail {

/// The compiler's own name for T: stable across builds of one compiler, not across compilers.
template <class T>
constexpr std::string_view type_name() {
  std::string_view name = __PRETTY_FUNCTION__;
  const std::size_t begin = name.find("T = ") + 4;
  std::size_t end = name.rfind(']');
  if (const std::size_t more = name.rfind("; std::string_view"); more != name.npos && more > begin) end = more;
  return name.substr(begin, end - begin);
}

/// FNV-1a, 64 bits. Source: http://www.isthe.com/chongo/tech/comp/fnv/
struct signature_folder {
  std::uint64_t hash = 0xcbf29ce484222325u;

  constexpr void fold(std::string_view text) {
    for (const char c : text) fold(static_cast<unsigned char>(c));
  }
  constexpr void fold(std::uint64_t number) {
    for (int i = 0; i < 8; ++i) {
      hash ^= (number >> (8 * i)) & 0xff;
      hash *= 0x100000001b3u;
    }
  }
};

template <class T, class... Enclosing>
constexpr void fold_type(signature_folder& into);

template <class T, class... Enclosing>
constexpr void fold_members(signature_folder& into) {
  into.fold(record<T>::size);
  for_indices<record<T>::size>(
      [&](auto... i) { (fold_type<typename record<T>::template member<i>, T, Enclosing...>(into), ...); });
}

template <template <class...> class Template, class... Args, class... Enclosing>
constexpr void fold_arguments(signature_folder& into, const Template<Args...>*, std::tuple<Enclosing...>*) {
  (fold_type<Args, Enclosing...>(into), ...);
}

/// Names alone would miss a changed member; members alone would take one struct for another. `Enclosing` ends the
/// recursion of types that contain themselves.
template <class T, class... Enclosing>
constexpr void fold_type(signature_folder& into) {
  into.fold(type_name<T>());
  if constexpr ((std::is_same_v<T, Enclosing> || ...)) {
    into.fold(std::uint64_t{0x5e1f});
  } else if constexpr (std::is_void_v<T> || wire_string<T> || nested_codec<T>::enabled || wire_duration<T> ||
                       wire_time_point<T>) {
    return;
  } else if constexpr (wire_scalar<T>) {
    into.fold(sizeof(T));
  } else if constexpr (is_span<T> || is_std_array<T> || is_instance<T, std::vector> || is_instance<T, std::set> ||
                       is_instance<T, std::optional>) {
    fold_type<std::remove_const_t<typename T::value_type>, T, Enclosing...>(into);
  } else if constexpr (wire_map<T>) {
    fold_type<typename T::key_type, T, Enclosing...>(into);
    fold_type<typename T::mapped_type, T, Enclosing...>(into);
  } else if constexpr (is_instance<T, std::variant>) {
    fold_arguments(into, static_cast<const T*>(nullptr), static_cast<std::tuple<T, Enclosing...>*>(nullptr));
  } else if constexpr (wire_record<T>) {
    fold_members<T, Enclosing...>(into);
  }
}

/// Equal for equal signatures, and for no others but by a chance of 2^-64.
template <class R, class... P>
consteval std::uint64_t signature_hash() {
  signature_folder into;
  fold_type<std::remove_cvref_t<R>>(into);
  into.fold(sizeof...(P));
  ((into.fold(type_name<P>()), fold_type<std::remove_cvref_t<P>>(into)), ...);
  return into.hash;
}

/// "int (const std::string&, double)", in the compiler's words.
template <class R, class... P>
std::string signature_text() {
  std::string text(type_name<R>());
  text += " (";
  [[maybe_unused]] std::string_view separator;
  ((text.append(separator).append(type_name<P>()), separator = ", "), ...);
  text += ')';
  return text;
}

}  // namespace selvage::detail

#pragma once
// Fixed-size types as FlatBuffers structs: each scalar at a multiple of its size, in order, the gaps zero. All
// inline: a struct of two ints is encoded and decoded in a few nanoseconds. Called by the other codec headers. Never
// checks: any bytes are a value (a bool reads as "not zero").

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>

#include <selvage/detail/codec_types.hpp>

namespace selvage::detail {

struct fixed_shape {
  std::size_t size;   ///< bytes on the wire, inner and trailing gaps included
  std::size_t align;  ///< 1, 2, 4 or 8
  std::size_t used;   ///< bytes that are not gaps
};

template <class T>
consteval fixed_shape wire_shape_of();

/// Lays out members one after the other. Returns: offset of each, and the whole in `shape`.
template <class... Members>
struct fixed_layout {
  static constexpr std::size_t count = sizeof...(Members);

  static consteval auto lay_out() {
    fixed_layout layout;
    [[maybe_unused]] std::size_t i = 0;
    (layout.place(i++, wire_shape_of<Members>()), ...);
    const std::size_t align = layout.shape.align;
    // FlatBuffers have no structs without members: an empty one is a byte of zero.
    layout.shape.size = std::max<std::size_t>(1, (layout.shape.size + align - 1) / align * align);
    return layout;
  }

  constexpr void place(std::size_t i, fixed_shape member) {
    const std::size_t at = (shape.size + member.align - 1) / member.align * member.align;
    offsets[i] = at;
    shape = {at + member.size, std::max(shape.align, member.align), shape.used + member.used};
  }

  std::array<std::size_t, count == 0 ? 1 : count> offsets{};
  fixed_shape shape{0, 1, 0};
};

template <class T>
struct record_layout_of;

template <class T>
requires wire_record<T>
struct record_layout_of<T> {
  static constexpr auto value = for_indices<record<T>::size>(
      [](auto... i) { return fixed_layout<typename record<T>::template member<i>...>::lay_out(); });
};

template <class T>
inline constexpr auto record_layout = record_layout_of<T>::value;

template <class T>
consteval fixed_shape wire_shape_of() {
  if constexpr (wire_scalar<T>) {
    return {sizeof(T), sizeof(T), sizeof(T)};
  } else if constexpr (wire_duration<T>) {
    return wire_shape_of<typename T::rep>();
  } else if constexpr (wire_time_point<T>) {
    return wire_shape_of<typename T::duration>();
  } else if constexpr (std::is_same_v<T, std::monostate>) {
    return {1, 1, 0};
  } else if constexpr (is_std_array<T>) {
    constexpr std::size_t n = std::tuple_size_v<T>;
    constexpr fixed_shape element = wire_shape_of<typename T::value_type>();
    return n == 0 ? fixed_shape{1, 1, 0} : fixed_shape{n * element.size, element.align, n * element.used};
  } else {
    return record_layout<T>.shape;
  }
}

template <class T>
inline constexpr fixed_shape wire_shape = wire_shape_of<T>();

/// Who wrote the bytes that are read: the host is believed, a worker is not.
enum class origin : bool { trusted, hostile };

/// Whether T's own bytes are its wire bytes, so that many of them can be copied, or viewed, at once. Not where a
/// hostile byte may stand for a bool: one that is neither 0 nor 1 is undefined behaviour.
template <class T, origin From>
consteval bool is_blit() {
  if constexpr (wire_scalar<T>) {
    return From == origin::trusted || !std::is_same_v<std::remove_cv_t<T>, bool>;
  } else if constexpr (wire_duration<T> || wire_time_point<T>) {
    return sizeof(T) == wire_shape<T>.size;
  } else if constexpr (is_std_array<T>) {
    return std::tuple_size_v<T> != 0 && is_blit<typename T::value_type, From>();
  } else if constexpr (!has_pair_members<T> && wire_record<T>) {
    // No gap in either layout: the members follow each other in both.
    if constexpr (std::is_trivially_copyable_v<T> && is_fixed<T>() && record<T>::size != 0 &&
                  alignof(T) <= payload_alignment) {
      return wire_shape<T>.used == sizeof(T) && wire_shape<T>.size == sizeof(T) &&
             for_indices<record<T>::size>(
                 [](auto... i) { return (is_blit<typename record<T>::template member<i>, From>() && ...); });
    } else {
      return false;
    }
  } else {
    return false;
  }
}

template <class T, origin From>
inline constexpr bool blit = is_blit<T, From>();

/// The alignment of a vector of T: enough to view its elements in place where they are blit.
template <class T>
inline constexpr std::size_t vector_align = blit<T, origin::trusted> ? std::max(wire_shape<T>.align, alignof(T))
                                                                     : wire_shape<T>.align;

/// Writes wire_shape<T>.size bytes, gaps included: nothing of the writer's memory shows through.
template <class T>
inline void write_fixed(const T& value, std::byte* out) {
  if constexpr (blit<T, origin::trusted>) {
    std::memcpy(out, &value, sizeof value);
  } else if constexpr (wire_duration<T>) {
    write_fixed(value.count(), out);
  } else if constexpr (wire_time_point<T>) {
    write_fixed(value.time_since_epoch(), out);
  } else if constexpr (wire_shape<T>.used == 0) {
    std::memset(out, 0, wire_shape<T>.size);
  } else if constexpr (is_std_array<T>) {
    for (const auto& element : value) {
      write_fixed(element, out);
      out += wire_shape<typename T::value_type>.size;
    }
  } else {
    if constexpr (wire_shape<T>.used != wire_shape<T>.size) std::memset(out, 0, wire_shape<T>.size);
    for_indices<record<T>::size>(
        [&](auto... i) { (write_fixed(record<T>::template get<i>(value), out + record_layout<T>.offsets[i]), ...); });
  }
}

template <class T>
[[nodiscard]] inline T read_fixed(const std::byte* from) {
  if constexpr (std::is_same_v<T, bool>) {
    return *from != std::byte{0};
  } else if constexpr (wire_scalar<T>) {
    T value;
    std::memcpy(&value, from, sizeof value);
    return value;
  } else if constexpr (wire_duration<T>) {
    return T(read_fixed<typename T::rep>(from));
  } else if constexpr (wire_time_point<T>) {
    return T(read_fixed<typename T::duration>(from));
  } else if constexpr (is_std_array<T>) {
    T value;
    if constexpr (blit<T, origin::hostile>) {
      std::memcpy(&value, from, sizeof value);
      return value;
    }
    for (auto& element : value) {
      element = read_fixed<typename T::value_type>(from);
      from += wire_shape<typename T::value_type>.size;
    }
    return value;
  } else if constexpr (std::is_same_v<T, std::monostate>) {
    return {};
  } else {
    return for_indices<record<T>::size>([&](auto... i) {
      return T{read_fixed<typename record<T>::template member<i>>(from + record_layout<T>.offsets[i])...};
    });
  }
}

}  // namespace selvage::detail

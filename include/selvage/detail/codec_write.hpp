#pragma once
// Values to FlatBuffers: the same walk twice, once to measure, once to write. Called by codec.hpp. Never copies a
// string or a vector of scalars but into its final place.
//
// A type is a field (inline in its table, or an offset there) or an object of its own (what an offset leads to).
// measure_object and write_object, measure_field and prepare_field + add_field go in pairs.

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string_view>
#include <tuple>

#include <selvage/detail/codec_fixed.hpp>
#include <selvage/detail/codec_refusal.hpp>
#include <selvage/detail/codec_types.hpp>
#include <selvage/detail/wire.hpp>

namespace selvage::detail {

using position = wire_writer::position;

/// Structs up to this size lie within their table; larger ones would soon fill a table's 64 KiB.
inline constexpr std::size_t max_inline_struct = 256;

template <class T>
consteval bool is_inline() {
  if constexpr (kind<T> == wire_kind::fixed) {
    return wire_shape<T>.size <= max_inline_struct;
  } else {
    return false;
  }
}

/// The most fields a table may have: all of them at their largest stay below 64 KiB.
inline constexpr std::size_t max_fields = 200;

inline std::string_view text_of(std::string_view text) { return text; }
inline std::string_view text_of(const std::string& text) { return text; }
inline std::string_view text_of(const std::filesystem::path& path) { return path.native(); }

template <class... Fields>
void measure_table(wire_size& size, const Fields&... fields);
template <class... Fields>
position write_table(wire_writer& writer, const Fields&... fields);

/// Elements and optionals that are not objects by themselves travel as a table of one field.
template <class T>
inline constexpr bool is_object =
    kind<T> == wire_kind::string || kind<T> == wire_kind::record || kind<T> == wire_kind::variant;

// --- measuring
// -----------------------------------------------------------------------------------------------------------

template <class T>
void measure_object(wire_size& size, const T& value);

template <class T>
void measure_element(wire_size& size, const T& value) {
  if constexpr (is_object<T>) {
    measure_object(size, value);
  } else {
    measure_table(size, value);
  }
}

template <class T>
void measure_sequence(wire_size& size, const T& values) {
  using element = element_of<T>;
  if constexpr (kind<element> == wire_kind::fixed) {
    size.structs(values.size(), wire_shape<element>.size, vector_align<element>);
  } else {
    size.offsets(values.size());
    for (const auto& value : values) measure_element(size, value);
  }
}

/// What a field takes within its table: a struct's shape, or an offset's.
template <class T>
consteval fixed_shape field_shape() {
  if constexpr (is_instance<T, std::optional>) {
    if constexpr (is_inline<typename T::value_type>()) return wire_shape<typename T::value_type>;
  } else if constexpr (is_inline<T>()) {
    return wire_shape<T>;
  }
  return {4, 4, 4};
}

/// The same with its worst padding.
template <class T>
consteval std::size_t inline_bytes() {
  return field_shape<T>().size + field_shape<T>().align - 1;
}

/// What a field needs outside its table.
template <class T>
void measure_field(wire_size& size, const T& value) {
  if constexpr (kind<T> == wire_kind::optional) {
    if (!value) return;
    if constexpr (kind<typename T::value_type> == wire_kind::optional) {
      measure_table(size, *value);
    } else {
      measure_field(size, *value);
    }
  } else if constexpr (!is_inline<T>()) {
    measure_object(size, value);
  }
}

template <class... Fields>
void measure_table(wire_size& size, const Fields&... fields) {
  static_assert(sizeof...(Fields) <= max_fields,
                "selvage: more than 200 parameters or members cannot cross: group them");
  const nesting_level level(size);
  size.table((std::size_t{0} + ... + inline_bytes<Fields>()), sizeof...(Fields));
  (measure_field(size, fields), ...);
}

template <class T>
void measure_variant(wire_size& size, const T& value) {
  static_assert(std::variant_size_v<T> < max_fields, "selvage: a variant of 200 and more alternatives cannot cross");
  if (value.valueless_by_exception()) {
    throw std::invalid_argument("selvage: a variant without a value (valueless_by_exception) cannot cross");
  }
  std::visit(
      [&]<class Alternative>(const Alternative& alternative) {
        const nesting_level level(size);
        size.table(1 + inline_bytes<Alternative>(), static_cast<unsigned>(value.index()) + 2);
        measure_field(size, alternative);
      },
      value);
}

template <class T>
void measure_object(wire_size& size, const T& value) {
  if constexpr (kind<T> == wire_kind::fixed) {
    size.structs(1, wire_shape<T>.size, wire_shape<T>.align);
  } else if constexpr (kind<T> == wire_kind::string) {
    size.string(text_of(value).size());
  } else if constexpr (kind<T> == wire_kind::sequence) {
    measure_sequence(size, value);
  } else if constexpr (kind<T> == wire_kind::record) {
    for_indices<record<T>::size>([&](auto... i) { measure_table(size, record<T>::template get<i>(value)...); });
  } else if constexpr (kind<T> == wire_kind::variant) {
    measure_variant(size, value);
  } else if constexpr (kind<T> == wire_kind::nested) {
    size.structs(nested_codec<T>::bound(value), 1, payload_alignment);
  } else {
    refuse<T>();
  }
}

// --- writing
// -------------------------------------------------------------------------------------------------------------

template <class T>
[[nodiscard]] position write_object(wire_writer& writer, const T& value);

template <class T>
[[nodiscard]] position write_element(wire_writer& writer, const T& value) {
  if constexpr (is_object<T>) {
    return write_object(writer, value);
  } else {
    return write_table(writer, value);
  }
}

template <class T>
[[nodiscard]] position write_sequence(wire_writer& writer, const T& values) {
  using element = element_of<T>;
  if constexpr (kind<element> == wire_kind::fixed) {
    if constexpr (contiguous_sequence<T> && blit<element, origin::trusted>) {
      return writer.structs(values.data(), values.size(), sizeof(element), vector_align<element>);
    } else {
      std::byte* out = writer.begin_structs(values.size(), wire_shape<element>.size, vector_align<element>);
      for (const auto& value : values) {
        write_fixed(value, out);
        out += wire_shape<element>.size;
      }
      return writer.end_structs(values.size());
    }
  } else {
    for (const auto& value : values) writer.push(write_element(writer, value));
    return writer.end_offsets(values.size());
  }
}

/// Writes what the field needs outside its table, which has to be there first. Returns: its position, or 0.
template <class T>
[[nodiscard]] position prepare_field(wire_writer& writer, const T& value) {
  if constexpr (kind<T> == wire_kind::optional) {
    if (!value) return 0;
    if constexpr (kind<typename T::value_type> == wire_kind::optional) {
      return write_table(writer, *value);
    } else {
      return prepare_field(writer, *value);
    }
  } else if constexpr (is_inline<T>()) {
    return 0;
  } else {
    return write_object(writer, value);
  }
}

/// Adds a field to the table in progress; an empty optional adds nothing.
template <class T>
void add_field(wire_writer& writer, unsigned index, const T& value, position prepared) {
  if constexpr (kind<T> == wire_kind::optional) {
    if (!value) return;
    if constexpr (is_inline<typename T::value_type>()) {
      add_field(writer, index, *value, prepared);
    } else {
      writer.add_offset(index, prepared);
    }
  } else if constexpr (is_inline<T>()) {
    std::array<std::byte, wire_shape<T>.size> bytes;
    write_fixed(value, bytes.data());
    writer.add_struct(index, bytes.data(), bytes.size(), wire_shape<T>.align);
  } else {
    writer.add_offset(index, prepared);
  }
}

template <class... Fields>
[[nodiscard]] position write_table(wire_writer& writer, const Fields&... fields) {
  [[maybe_unused]] const std::array<position, sizeof...(Fields) + 1> prepared{prepare_field(writer, fields)...};
  writer.begin_table();
  [[maybe_unused]] unsigned index = 0;
  ((add_field(writer, index, fields, prepared[index]), ++index), ...);
  return writer.end_table();
}

template <class T>
[[nodiscard]] position write_variant(wire_writer& writer, const T& value) {
  return std::visit(
      [&](const auto& alternative) {
        const position prepared = prepare_field(writer, alternative);
        writer.begin_table();
        const auto index = static_cast<std::uint8_t>(value.index());
        writer.add_struct(0, &index, 1, 1);
        add_field(writer, 1u + index, alternative, prepared);
        return writer.end_table();
      },
      value);
}

template <class T>
[[nodiscard]] position write_object(wire_writer& writer, const T& value) {
  if constexpr (kind<T> == wire_kind::fixed) {
    std::byte* const out = writer.begin_structs(1, wire_shape<T>.size, wire_shape<T>.align);
    write_fixed(value, out);
    return writer.end_structs(1);
  } else if constexpr (kind<T> == wire_kind::string) {
    return writer.string(text_of(value));
  } else if constexpr (kind<T> == wire_kind::sequence) {
    return write_sequence(writer, value);
  } else if constexpr (kind<T> == wire_kind::record) {
    return for_indices<record<T>::size>(
        [&](auto... i) { return write_table(writer, record<T>::template get<i>(value)...); });
  } else if constexpr (kind<T> == wire_kind::variant) {
    return write_variant(writer, value);
  } else if constexpr (kind<T> == wire_kind::nested) {
    return nested_codec<T>::write(writer, value);
  } else {
    refuse<T>();
    return 0;
  }
}

}  // namespace selvage::detail

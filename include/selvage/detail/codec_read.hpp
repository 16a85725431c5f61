#pragma once
// FlatBuffers to values: one walk, for both readers. With trusted_reader it views strings and spans in place and
// checks nothing; with checked_reader every access is checked and only owning types are made. Called by codec.hpp.
// Never allocates by a number that a worker wrote and that has not been paid for in bytes.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <tuple>

#include <selvage/detail/codec_write.hpp>

namespace selvage::detail {

template <class T>
inline constexpr bool is_view = std::is_same_v<T, std::string_view> || is_span<T>;

template <class Reader>
inline constexpr origin origin_of = Reader::checked ? origin::hostile : origin::trusted;

/// How many elements may be reserved on the word of a worker.
inline constexpr std::size_t max_hostile_reserve = 1024;

/// A worker's keys may all fall into one bucket of the host's unordered_map. This many steps a key, on the average
/// over the map, and a million besides, are more than any hash in use needs.
inline constexpr std::size_t max_steps_per_key = 16;
inline constexpr std::size_t free_steps = 1'000'000;

template <class T, class Reader>
[[nodiscard]] T read_object(Reader& reader, const std::byte* slot);
template <class T, class Reader>
[[nodiscard]] T read_field(Reader& reader, const std::byte* table, unsigned index);

template <class T, class Reader>
[[nodiscard]] T read_element(Reader& reader, const std::byte* slot) {
  if constexpr (is_object<T>) {
    return read_object<T>(reader, slot);
  } else {
    const nesting_level level(reader);
    return read_field<T>(reader, reader.table(slot), 0);
  }
}

/// Calls put(element) for each element of the vector.
template <class Element, class Reader, class Put>
void read_elements(Reader& reader, wire_vector from, Put put) {
  for (std::size_t i = 0; i < from.count; ++i) {
    if constexpr (kind<Element> == wire_kind::fixed) {
      put(read_fixed<Element>(from.data + i * wire_shape<Element>.size));
    } else {
      put(read_element<Element>(reader, from.data + i * 4));
    }
  }
}

template <class T, class Reader>
[[nodiscard]] T read_contiguous(Reader& reader, wire_vector from) {
  using element = element_of<T>;
  if constexpr (blit<element, origin_of<Reader>> && (contiguous_sequence<T>)) {
    if (from.count == 0) return T{};
    const auto* const first = reinterpret_cast<const element*>(from.data);
    if constexpr (is_span<T>) {
      return T(first, from.count);
    } else {
      return T(first, first + from.count);
    }
  } else {
    static_assert(!is_span<T>,
                  "selvage: a span of these elements cannot be viewed in place within another type: use std::vector");
    T values;
    values.reserve(Reader::checked ? std::min(from.count, max_hostile_reserve) : from.count);
    read_elements<element>(reader, from, [&](element&& value) { values.push_back(std::move(value)); });
    return values;
  }
}

template <class T, class Reader>
[[nodiscard]] T read_map(Reader& reader, wire_vector from) {
  T values;
  if constexpr (is_instance<T, std::unordered_map>) {
    values.reserve(Reader::checked ? std::min(from.count, max_hostile_reserve) : from.count);
  }
  [[maybe_unused]] std::size_t steps = free_steps + from.count * max_steps_per_key;
  read_elements<element_of<T>>(reader, from, [&](element_of<T>&& pair) {
    if constexpr (Reader::checked && is_instance<T, std::unordered_map>) {
      const std::size_t crowd = values.bucket_size(values.bucket(pair.first));
      if (crowd > steps) reader.fail("the keys of a map collide beyond chance");
      steps -= crowd;
    }
    values.emplace_hint(values.end(), std::move(pair.first), std::move(pair.second));
  });
  if (Reader::checked && values.size() != from.count) reader.fail("a map holds a key twice");
  return values;
}

template <class T, class Reader>
[[nodiscard]] T read_array(Reader& reader, wire_vector from) {
  if (Reader::checked && from.count != std::tuple_size_v<T>) reader.fail("an array has the wrong number of elements");
  T values;
  std::size_t i = 0;
  read_elements<element_of<T>>(reader, from, [&](element_of<T>&& value) { values[i++] = std::move(value); });
  return values;
}

template <class T, class Reader>
[[nodiscard]] T read_sequence(Reader& reader, const std::byte* slot) {
  using element = element_of<T>;
  const wire_vector from = [&] {
    if constexpr (kind<element> == wire_kind::fixed) {
      return reader.vector(slot, wire_shape<element>.size, vector_align<element>);
    } else {
      return reader.vector(slot, 4, 4);
    }
  }();
  if constexpr (is_std_array<T>) {
    return read_array<T>(reader, from);
  } else if constexpr (wire_map<T>) {
    return read_map<T>(reader, from);
  } else if constexpr (is_instance<T, std::set>) {
    T values;
    read_elements<element>(reader, from, [&](element&& value) { values.emplace_hint(values.end(), std::move(value)); });
    if (Reader::checked && values.size() != from.count) reader.fail("a set holds an element twice");
    return values;
  } else {
    return read_contiguous<T>(reader, from);
  }
}

template <class T, class Reader>
[[nodiscard]] T read_record(Reader& reader, const std::byte* slot) {
  const nesting_level level(reader);
  [[maybe_unused]] const std::byte* const table = reader.table(slot);
  return for_indices<record<T>::size>(
      [&](auto... i) { return T{read_field<typename record<T>::template member<i>>(reader, table, i)...}; });
}

template <class T, std::size_t I = 0, class Reader>
[[nodiscard]] T read_alternative(Reader& reader, const std::byte* table, std::size_t index) {
  if constexpr (I == std::variant_size_v<T>) {
    reader.fail("a variant's index is out of range");
  } else {
    if (index != I) return read_alternative<T, I + 1>(reader, table, index);
    return T(std::in_place_index<I>, read_field<std::variant_alternative_t<I, T>>(reader, table, unsigned{I} + 1));
  }
}

template <class T, class Reader>
[[nodiscard]] T read_variant(Reader& reader, const std::byte* slot) {
  const nesting_level level(reader);
  const std::byte* const table = reader.table(slot);
  return read_alternative<T>(reader, table, read_field<std::uint8_t>(reader, table, 0));
}

/// Reads the object that the offset in `slot` leads to.
template <class T, class Reader>
[[nodiscard]] T read_object(Reader& reader, const std::byte* slot) {
  static_assert(
      !Reader::checked || !is_view<T>,
      "selvage: a result cannot hold string_views or spans within another type, they would view memory that is gone: "
      "return the owning type");
  if constexpr (kind<T> == wire_kind::fixed) {
    const wire_vector from = reader.vector(slot, wire_shape<T>.size, wire_shape<T>.align);
    if (Reader::checked && from.count != 1) reader.fail("a struct is not there once");
    return read_fixed<T>(from.data);
  } else if constexpr (kind<T> == wire_kind::string) {
    return T(reader.string(slot));
  } else if constexpr (kind<T> == wire_kind::sequence) {
    return read_sequence<T>(reader, slot);
  } else if constexpr (kind<T> == wire_kind::record) {
    return read_record<T>(reader, slot);
  } else if constexpr (kind<T> == wire_kind::variant) {
    return read_variant<T>(reader, slot);
  } else if constexpr (kind<T> == wire_kind::nested) {
    const wire_vector from = reader.vector(slot, 1, payload_alignment);
    const std::span<const std::byte> bytes(from.data, from.count);
    if constexpr (Reader::checked) {
      return nested_codec<T>::read(bytes);
    } else {
      return nested_codec<T>::view(bytes);
    }
  } else {
    refuse<T>();
  }
}

template <class T, class Reader>
[[nodiscard]] T read_optional(Reader& reader, const std::byte* slot) {
  using inner = typename T::value_type;
  if (slot == nullptr) return T{};
  if constexpr (kind<inner> == wire_kind::optional) {
    const nesting_level level(reader);
    return T(std::in_place, read_field<inner>(reader, reader.table(slot), 0));
  } else if constexpr (is_inline<inner>()) {
    return T(std::in_place, read_fixed<inner>(slot));
  } else {
    return T(std::in_place, read_object<inner>(reader, slot));
  }
}

template <class T, class Reader>
[[nodiscard]] T read_field(Reader& reader, const std::byte* table, unsigned index) {
  constexpr fixed_shape in_table = field_shape<T>();
  const std::byte* const slot = reader.field(table, index, in_table.size, in_table.align);
  if constexpr (kind<T> == wire_kind::optional) {
    return read_optional<T>(reader, slot);
  } else {
    if (Reader::checked && slot == nullptr) reader.fail("a field is missing");
    if constexpr (is_inline<T>()) {
      return read_fixed<T>(slot);
    } else {
      return read_object<T>(reader, slot);
    }
  }
}

}  // namespace selvage::detail

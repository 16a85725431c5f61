// See flexbuffer_reader.hpp.

#include "schema/flexbuffer_reader.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <type_traits>
#include <utility>

namespace selvage::schema {
namespace {

using detail::load;
using detail::malformed;

/// The types that Selvage writes. Source: flatbuffers/flexbuffers.h, enum Type.
enum class flex_type : std::uint8_t {
  null = 0,
  integer = 1,
  unsigned_integer = 2,
  real = 3,
  string = 5,
  map = 9,
  vector = 10,
  integers = 11,
  unsigneds = 12,
  reals = 13,
  blob = 25,
  boolean = 26,
};

constexpr std::uint8_t width_of(std::uint8_t packed_type) {
  return static_cast<std::uint8_t>(1u << (packed_type & 3u));
}

}  // namespace

void flexbuffer_reader::require(std::size_t at, std::size_t length) {
  if (at > bytes_.size() || length > bytes_.size() - at)
    throw malformed{"a dynamic value reaches beyond its bytes", at};
}

void flexbuffer_reader::spend(std::size_t length, std::size_t at) {
  if (length > budget_) throw malformed{"parts of a dynamic value overlap or are shared", at};
  budget_ -= length;
}

std::uint64_t flexbuffer_reader::unsigned_at(std::size_t at, std::uint8_t width) {
  require(at, width);
  std::uint64_t number = 0;
  std::memcpy(&number, bytes_.data() + at, width);
  return number;
}

std::int64_t flexbuffer_reader::signed_at(std::size_t at, std::uint8_t width) {
  const unsigned unused = 64 - 8 * unsigned{width};
  return static_cast<std::int64_t>(unsigned_at(at, width) << unused) >> unused;
}

double flexbuffer_reader::real_at(std::size_t at, std::uint8_t width) {
  require(at, width);
  switch (width) {
    case 4:
      return static_cast<double>(load<float>(bytes_.data() + at));
    case 8:
      return load<double>(bytes_.data() + at);
    default:
      throw malformed{"a real number of a dynamic value is neither a float nor a double", at};
  }
}

std::size_t flexbuffer_reader::follow(std::size_t slot, std::uint8_t width) {
  const std::uint64_t back = unsigned_at(slot, width);
  if (back > slot) throw malformed{"an offset of a dynamic value leads before its bytes", slot};
  return slot - back;
}

flexbuffer_reader::sized_object flexbuffer_reader::object(reference from, std::size_t element_bytes,
                                                          std::size_t type_bytes) {
  const std::size_t at = follow(from.at, from.parent_width);
  const std::uint8_t width = width_of(from.packed_type);
  if (at < width) throw malformed{"a dynamic value's length lies before its bytes", at};
  const std::uint64_t count = unsigned_at(at - width, width);
  const std::size_t each = std::max<std::size_t>(1, element_bytes + type_bytes);
  if (count > bytes_.size() / each) throw malformed{"a dynamic value reaches beyond its bytes", at};
  require(at, count * each);
  spend(width + count * each, at);
  return {at, static_cast<std::size_t>(count), width};
}

std::string_view flexbuffer_reader::key(std::size_t slot, std::uint8_t width) {
  const std::size_t at = follow(slot, width);
  require(at, 1);
  const auto* const text = reinterpret_cast<const char*>(bytes_.data() + at);
  // Never beyond what may be spent: keys that are shared are not searched again and again.
  const std::size_t reach = std::min(bytes_.size() - at, budget_);
  const void* const end = std::memchr(text, 0, reach);
  if (end == nullptr) throw malformed{"a key of a dynamic value is not terminated", at};
  const auto length = static_cast<std::size_t>(static_cast<const char*>(end) - text);
  spend(length + 1, at);
  return {text, length};
}

template <class Numbers>
Numbers flexbuffer_reader::read_numbers(reference from) {
  using number = typename Numbers::value_type;
  const std::uint8_t width = width_of(from.packed_type);
  const sized_object vector = object(from, width, 0);
  Numbers numbers;
  numbers.reserve(vector.count);  // paid for: each took at least a byte
  for (std::size_t i = 0; i < vector.count; ++i) {
    const std::size_t at = vector.at + i * width;
    if constexpr (std::is_same_v<number, double>) {
      numbers.push_back(real_at(at, width));
    } else if constexpr (std::is_signed_v<number>) {
      numbers.push_back(signed_at(at, width));
    } else {
      numbers.push_back(unsigned_at(at, width));
    }
  }
  return numbers;
}

value flexbuffer_reader::read_array(reference from, unsigned depth) {
  const std::uint8_t width = width_of(from.packed_type);
  const sized_object vector = object(from, width, 1);
  value::array elements;
  for (std::size_t i = 0; i < vector.count; ++i) {
    const auto type = static_cast<std::uint8_t>(bytes_[vector.at + vector.count * width + i]);
    elements.push_back(read_value({vector.at + i * width, width, type}, depth));
  }
  return elements;
}

value flexbuffer_reader::read_map(reference from, unsigned depth) {
  const std::uint8_t width = width_of(from.packed_type);
  const sized_object vector = object(from, width, 1);
  // Before the length: the offset to the vector of keys, and the width of that vector.
  if (vector.at < 3 * std::size_t{width}) throw malformed{"a map's keys lie before its bytes", vector.at};
  const std::size_t keys_slot = vector.at - 3 * std::size_t{width};
  const std::uint64_t keys_width = unsigned_at(keys_slot + width, width);
  if (keys_width > 8 || !std::has_single_bit(keys_width))
    throw malformed{"a map's keys have no valid width", keys_slot};
  const auto packed_width = static_cast<std::uint8_t>(std::countr_zero(keys_width));
  const sized_object keys = object({keys_slot, width, packed_width}, keys_width, 0);
  if (keys.count != vector.count) throw malformed{"a map has not as many keys as values", vector.at};
  spend(2 * std::size_t{width}, keys_slot);

  value::map members;
  for (std::size_t i = 0; i < vector.count; ++i) {
    const std::string_view name = key(keys.at + i * keys.width, keys.width);
    if (!members.empty() && !(members.rbegin()->first < name))
      throw malformed{"a map's keys are not in order", keys.at};
    const auto type = static_cast<std::uint8_t>(bytes_[vector.at + vector.count * width + i]);
    members.emplace_hint(members.end(), name, read_value({vector.at + i * width, width, type}, depth));
  }
  return members;
}

value flexbuffer_reader::read_value(reference from, unsigned depth) {
  if (depth > detail::max_depth) throw malformed{"a dynamic value nests too deeply", from.at};
  switch (static_cast<flex_type>(from.packed_type >> 2)) {
    case flex_type::null:
      return {};
    case flex_type::boolean:
      return unsigned_at(from.at, from.parent_width) != 0;
    case flex_type::integer:
      return signed_at(from.at, from.parent_width);
    case flex_type::unsigned_integer:
      return unsigned_at(from.at, from.parent_width);
    case flex_type::real:
      return real_at(from.at, from.parent_width);
    case flex_type::string: {
      const sized_object text = object(from, 1, 0);
      return std::string(reinterpret_cast<const char*>(bytes_.data() + text.at), text.count);
    }
    case flex_type::blob: {
      const sized_object blob = object(from, 1, 0);
      const auto octets = bytes_.subspan(blob.at, blob.count);
      return value::bytes(octets.begin(), octets.end());
    }
    case flex_type::integers:
      return read_numbers<value::integers>(from);
    case flex_type::unsigneds:
      return read_numbers<value::unsigneds>(from);
    case flex_type::reals:
      return read_numbers<value::reals>(from);
    case flex_type::vector:
      return read_array(from, depth + 1);
    case flex_type::map:
      return read_map(from, depth + 1);
  }
  throw malformed{"a dynamic value is of a type that Selvage never sends", from.at};
}

value flexbuffer_reader::read() {
  // At the end: the root, its packed type, its width.
  if (bytes_.size() < 3) throw malformed{"too short to be a dynamic value", 0};
  const std::size_t end = bytes_.size() - 2;
  const auto width = static_cast<std::uint8_t>(bytes_[end + 1]);
  if (width > 8 || !std::has_single_bit(width) || width > end)
    throw malformed{"a dynamic value's root has no valid width", end};
  return read_value({end - width, width, static_cast<std::uint8_t>(bytes_[end])}, 1);
}

}  // namespace selvage::schema

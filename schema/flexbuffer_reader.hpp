#pragma once
// A reader of FlexBuffers that a worker may have forged. Called by value.cpp. Reads no byte that it has not checked,
// and takes every byte of a vector, string or key out of a budget of the buffer's own size, so that offsets which
// share or loop cost no more than the bytes received.
//
// flexbuffers::Verifier of 2.0.8 is not enough: it takes a key for terminated at its first byte that is *not* zero,
// so that reading the key may run off the buffer, and says nothing against sharing, which multiplies when copied
// into a tree.
//
// Source: https://flatbuffers.dev/flatbuffers_internals.html#flexbuffers

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include <selvage/value.hpp>

namespace selvage::schema {

class flexbuffer_reader {
 public:
  explicit flexbuffer_reader(std::span<const std::byte> bytes) : bytes_(bytes), budget_(bytes.size()) {}

  /// Errors: throws detail::malformed.
  [[nodiscard]] value read();

 private:
  /// A value as its parent holds it: a scalar, or an offset back to the object.
  struct reference {
    std::size_t at;             ///< of the scalar or offset
    std::uint8_t parent_width;  ///< its bytes: 1, 2, 4 or 8
    std::uint8_t packed_type;   ///< type in the upper six bits, log2 of the object's width in the lower two
  };
  struct sized_object {
    std::size_t at;  ///< of the first element
    std::size_t count;
    std::uint8_t width;  ///< bytes of one element
  };

  [[nodiscard]] value read_value(reference from, unsigned depth);
  [[nodiscard]] value read_array(reference from, unsigned depth);
  [[nodiscard]] value read_map(reference from, unsigned depth);
  template <class Numbers>
  [[nodiscard]] Numbers read_numbers(reference from);
  /// The vector, string or blob that `from` leads to, paid for with `type_bytes` more for each element.
  [[nodiscard]] sized_object object(reference from, std::size_t element_bytes, std::size_t type_bytes);
  [[nodiscard]] std::string_view key(std::size_t slot, std::uint8_t width);
  [[nodiscard]] std::size_t follow(std::size_t slot, std::uint8_t width);
  [[nodiscard]] std::uint64_t unsigned_at(std::size_t at, std::uint8_t width);
  [[nodiscard]] std::int64_t signed_at(std::size_t at, std::uint8_t width);
  [[nodiscard]] double real_at(std::size_t at, std::uint8_t width);
  void require(std::size_t at, std::size_t length);
  void spend(std::size_t length, std::size_t at);

  std::span<const std::byte> bytes_;
  std::size_t budget_;
};

}  // namespace selvage::schema

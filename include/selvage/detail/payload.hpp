#pragma once
// The neutral words in which the pool, the worker and the codec speak of a payload: bytes, and the form they are in.
// Nothing here knows a C++ signature (that is detail/codec.hpp) or a shared-memory address (that is shm/).

#include <cstddef>
#include <cstdint>
#include <span>

namespace selvage::detail {

/// How the bytes of one payload are to be read.
enum class payload_form : std::uint8_t {
  none = 0,   ///< no bytes: no parameters, or `void`
  fixed = 1,  ///< a FlatBuffers struct: fixed-size scalars laid out by their alignment, nothing to verify
  flat = 2,   ///< the bytes of one string, byte span or vector of scalars, and nothing else: nothing to verify
  table = 3,  ///< a FlatBuffers table, its root offset first
};

/// Every payload starts at a multiple of this, in an arena and in a slot header alike.
inline constexpr std::size_t payload_alignment = 16;

/// The part of an output buffer that an encoder filled. FlatBuffers builds downward, so it may end where the buffer
/// ends.
struct extent {
  std::size_t offset = 0;  ///< from the start of the buffer, a multiple of payload_alignment
  std::size_t length = 0;  ///< bytes
};

/// Bytes to decode and their form. `data` is aligned to payload_alignment.
struct payload_view {
  payload_form form = payload_form::none;
  std::span<const std::byte> bytes;
};

/// One encoding, erased: what the pool needs in order to place arguments (or the worker a result) without knowing
/// their types.
/// `write` fills `out`, whose size is at least `bound` and whose data is aligned to payload_alignment, and says what
/// it filled.
struct payload_source {
  payload_form form = payload_form::none;
  std::size_t bound = 0;  ///< bytes: an upper bound of what `write` fills, exact for `fixed` and `flat`
  extent (*write)(const void* value, std::span<std::byte> out) = nullptr;
  const void* value = nullptr;  ///< borrowed: outlives the call of `write`
  bool foreign = false;         ///< `write` runs code of the program's, which may do anything: never under a lock
};

}  // namespace selvage::detail

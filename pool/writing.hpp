#pragma once
// Where and when the bytes of a call's arguments are written. Called by: posting.cpp, queueing.cpp.

#include <cstddef>

#include <selvage/detail/call_state.hpp>

namespace selvage::detail {

/// Above this, bytes are written into their place outside the pool's lock; so is whatever the program itself writes.
inline constexpr std::size_t write_under_lock_bytes = 4096;

[[nodiscard]] inline bool writes_outside_lock(const payload_source& arguments) noexcept {
  return arguments.write != nullptr && (arguments.foreign || arguments.bound > write_under_lock_bytes);
}

/// Encoded into private memory. Throws what `arguments.write` throws, and std::bad_alloc.
[[nodiscard]] inline kept_payload keep(const payload_source& arguments) {
  kept_payload kept;
  kept.form = arguments.form;
  if (arguments.write == nullptr) return kept;
  kept.storage.reset(new std::byte[arguments.bound + 1]);
  kept.capacity = arguments.bound;
  kept.used = arguments.write(arguments.value, {kept.storage.get(), arguments.bound});
  return kept;
}

}  // namespace selvage::detail

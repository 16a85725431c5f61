#pragma once
// What a worker says in a response header, and whether it can be true. The one reader of response headers: each field
// is read once into a private copy; nothing is indexed, allocated or copied by a number that was not checked here.

#include <cstdint>
#include <cstring>

#include <selvage/detail/payload.hpp>

#include "shm/express.hpp"
#include "shm/layout.hpp"

namespace selvage::host {

struct told_answer {
  std::uint64_t call_id = 0;
  std::uint64_t service_ns = 0;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  shm::response_status status = shm::response_status::none;
  detail::payload_form form = detail::payload_form::none;
  bool in_arena = false;
  bool worker_is_spent = false;
};

[[nodiscard]] inline told_answer read_answer(const shm::response_header& shared) noexcept {
  constexpr std::size_t fields = offsetof(shm::response_header, payload);
  alignas(shm::response_header) std::byte copy[fields];
  std::memcpy(copy, static_cast<const void*>(&shared), fields);
  const auto at = [&]<class T>(std::size_t offset, T) {
    T value;
    std::memcpy(&value, copy + offset, sizeof value);
    return value;
  };
  using header = shm::response_header;
  return {.call_id = at(offsetof(header, call_id), std::uint64_t{}),
          .service_ns = at(offsetof(header, service_ns), std::uint64_t{}),
          .offset = at(offsetof(header, offset), std::uint64_t{}),
          .length = at(offsetof(header, length), std::uint64_t{}),
          .status = static_cast<shm::response_status>(at(offsetof(header, status), std::uint8_t{})),
          .form = static_cast<detail::payload_form>(at(offsetof(header, form), std::uint8_t{})),
          .in_arena = at(offsetof(header, in_arena), std::uint8_t{}) != 0,
          .worker_is_spent = (at(offsetof(header, flags), std::uint8_t{}) & shm::response_flags::spent) != 0};
}

/// The same out of an express copy, which is private already.
[[nodiscard]] inline told_answer read_answer(std::uint64_t call_id, const shm::express_copy& copy,
                                             const shm::express_payload& payload) noexcept {
  const shm::express_place there = shm::place_of(copy, payload);
  return {.call_id = call_id,
          .service_ns = copy.number,
          .offset = there.offset,
          .length = there.length,
          .status = shm::response_status::ok,
          .form = static_cast<detail::payload_form>(copy.shape.form),
          .in_arena = copy.shape.placed,
          .worker_is_spent = (copy.shape.flags & shm::response_flags::spent) != 0};
}

/// Returns: what is wrong with the place that the answer claims for its payload, or null.
[[nodiscard]] inline const char* place_fault(const told_answer& told, std::uint64_t arena_bytes,
                                             std::uint64_t cap) noexcept {
  if (told.offset % detail::payload_alignment != 0) return "its payload is not aligned";
  if (told.length > cap) return "its payload is longer than the cap";
  const std::uint64_t room = told.in_arena ? arena_bytes : shm::inline_payload_bytes;
  if (told.offset > room || told.length > room - told.offset) {
    return told.in_arena ? "its payload leaves its arena" : "its payload leaves its slot";
  }
  return nullptr;
}

}  // namespace selvage::host

#pragma once
// Writing and reading the express line (shm::express of layout.hpp): one call or answer beside the word that publishes
// it.
//
// Called by: shm/lane.*, and pool/answer.hpp for what was read. Never: waits for a writer; a copy that is torn or old
// is no copy. What a worker wrote is bounded here and nothing else: the host checks the rest as it checks a header.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "shm/layout.hpp"

namespace selvage::shm {

struct express_copy {
  express_shape shape{};
  std::uint64_t number = 0;
};

/// Where the payload of a copy goes: aligned as payloads are.
struct alignas(16) express_payload {
  std::array<std::byte, express::payload_bytes> bytes;

  /// Of a copy whose shape says that it is `placed`. HOSTILE, as the copy is.
  [[nodiscard]] express_place place() const noexcept {
    express_place there;
    std::memcpy(&there, bytes.data(), sizeof there);
    return there;
  }
};

/// What the copy says of its payload; `offset` is 0 for one that is in the copy itself. HOSTILE, as the copy is.
[[nodiscard]] inline express_place place_of(const express_copy& copy, const express_payload& payload) noexcept {
  return copy.shape.placed ? payload.place() : express_place{0, copy.shape.length};
}

/// Thread-safety: the one writer of the line. `payload`: readable up to the next whole word.
inline void write(express& line, std::uint64_t ticket, express_shape shape, std::uint64_t number,
                  const std::byte* payload) noexcept {
  line.ticket.store(0, std::memory_order_relaxed);      // relaxed: the fence keeps what follows behind it
  std::atomic_thread_fence(std::memory_order_release);  // SYNC express: whoever reads a new word finds the ticket gone
  line.shape.store(shape.packed(), std::memory_order_relaxed);  // relaxed, all three: `ticket` publishes them
  line.number.store(number, std::memory_order_relaxed);
  for (std::size_t at = 0; at < shape.length; at += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, payload + at, sizeof word);
    line.payload[at / sizeof word].store(word, std::memory_order_relaxed);
  }
  line.ticket.store(ticket, std::memory_order_release);  // SYNC express: the copy is whole
}

/// The same for a payload that is in the arena.
inline void write(express& line, std::uint64_t ticket, express_shape shape, std::uint64_t number,
                  const express_place& place) noexcept {
  shape.placed = true;
  shape.length = sizeof place;
  write(line, ticket, shape, number, reinterpret_cast<const std::byte*>(&place));
}

/// Returns: true where the line holds a whole copy under this ticket; `out` and `payload` are private then.
[[nodiscard]] inline bool read(const express& line, std::uint64_t ticket, express_copy& out,
                               express_payload& payload) noexcept {
  if (line.ticket.load(std::memory_order_acquire) != ticket) return false;    // SYNC express: the copy is whole
  out.shape = express_shape::of(line.shape.load(std::memory_order_relaxed));  // relaxed, all three: between two looks
  out.number = line.number.load(std::memory_order_relaxed);
  if (out.shape.length > express::payload_bytes) return false;
  if (out.shape.placed && out.shape.length != sizeof(express_place)) return false;
  for (std::size_t at = 0; at < out.shape.length; at += sizeof(std::uint64_t)) {
    const std::uint64_t word = line.payload[at / sizeof word].load(std::memory_order_relaxed);
    std::memcpy(payload.bytes.data() + at, &word, sizeof word);
  }
  std::atomic_thread_fence(std::memory_order_acquire);  // SYNC express: a word that was new shows the ticket gone
  return line.ticket.load(std::memory_order_relaxed) == ticket;
}

/// For a side that spins on the word before the line: what does not fit beside that word comes together with it. Costs
/// nothing where the other side did not write so much. A hint.
inline void prefetch_rest(const express& line) noexcept {
  __builtin_prefetch(reinterpret_cast<const std::byte*>(&line) + sizeof line - 1);
}

/// Both lines of a slot's header. A hint.
template <class Header>
void prefetch_whole(const Header& header) noexcept {
  static_assert(sizeof header == 2 * line_bytes);
  __builtin_prefetch(&header);
  __builtin_prefetch(reinterpret_cast<const std::byte*>(&header) + line_bytes);
}

/// Asks for the line while nothing depends on it: a store that comes later does not wait for the other core. A hint.
inline void prefetch_to_write(const void* line) noexcept {
#if defined(__x86_64__)
  asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(line)));  // does nothing where there is no such thing
#else
  __builtin_prefetch(line, 1);
#endif
}

}  // namespace selvage::shm

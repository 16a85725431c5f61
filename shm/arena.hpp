#pragma once
// Which bytes of a payload arena are in use: private bookkeeping of the arena's one writer (the host for requests, the
// worker for responses). Nothing of it is shared, so nothing can be corrupted by the other side.
//
// At most one block for each slot of the lane. First fit from the lowest address keeps the bytes in use together, so
// that a lane with few calls in flight stays in cache. Never: touches the bytes, or reserves them (the caller does, see
// grow).
// Thread-safety: none; the owner of the lane serialises.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "shm/layout.hpp"

namespace selvage::shm {

class arena {
 public:
  struct limits {
    std::size_t initial;  ///< bytes reserved at the first use
    std::size_t maximum;  ///< bytes of address space; equal to `initial` for a fixed arena
  };

  explicit arena(limits sizes) noexcept : limits_(sizes) {}

  /// A block of `bytes` (rounded up to 16) for `slot`. Requires: the slot holds none.
  /// Returns: its offset; nothing where no gap of the reserved part is large enough.
  [[nodiscard]] std::optional<std::uint64_t> allocate(unsigned slot, std::size_t bytes) noexcept;

  /// How many bytes must be reserved for allocate(bytes) to succeed at the end of what is in use; nothing where the
  /// maximum does not hold it. Grows by doubling, so that a slowly growing arena is not reserved page by page.
  [[nodiscard]] std::optional<std::size_t> growth_for(std::size_t bytes) const noexcept;
  /// The caller has reserved the first `bytes`.
  void grow(std::size_t bytes) noexcept { reserved_ = bytes; }

  /// Gives back what lies before `offset` of the slot's block and behind offset + bytes; both may be at its end. The
  /// slot still holds 16 bytes at least. Requires: the slot holds a block, and the bytes are in it.
  void trim(unsigned slot, std::uint64_t offset, std::size_t bytes) noexcept;
  /// Frees the slot's block; nothing where it holds none.
  void release(unsigned slot) noexcept;
  void release_all() noexcept;

  [[nodiscard]] bool holds(unsigned slot) const noexcept { return blocks_[slot].length != 0; }
  [[nodiscard]] std::size_t bytes_in_use() const noexcept { return in_use_; }
  [[nodiscard]] std::size_t bytes_reserved() const noexcept { return reserved_; }
  [[nodiscard]] std::size_t bytes_maximum() const noexcept { return limits_.maximum; }

 private:
  struct block {
    std::uint64_t offset = 0;
    std::uint64_t length = 0;  // 0: none
    [[nodiscard]] std::uint64_t end() const noexcept { return offset + length; }
  };

  [[nodiscard]] std::uint64_t end_of_use() const noexcept;

  limits limits_;
  std::size_t reserved_ = 0;
  std::size_t in_use_ = 0;
  unsigned count_ = 0;
  std::array<block, slots_per_lane> blocks_{};             // by slot
  std::array<std::uint8_t, slots_per_lane> by_address_{};  // slots of the first count_ blocks, in order of offset
};

}  // namespace selvage::shm

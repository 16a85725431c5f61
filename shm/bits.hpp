#pragma once
// Arithmetic on the 64 bits of a lane: rings of slots as words. Pure.

#include <bit>
#include <cstdint>

namespace selvage::shm {

[[nodiscard]] constexpr std::uint64_t bit(unsigned slot) noexcept { return std::uint64_t{1} << (slot & 63U); }
[[nodiscard]] constexpr bool test(std::uint64_t bits, unsigned slot) noexcept {
  return ((bits >> (slot & 63U)) & 1U) != 0;
}

/// Two bits or more are set. Without an instruction that counts them, to count is to call a function.
[[nodiscard]] constexpr bool several(std::uint64_t bits) noexcept { return (bits & (bits - 1)) != 0; }

inline constexpr std::uint64_t every_slot = ~std::uint64_t{0};

/// The first set bit at or after `from`, around the ring. Requires: bits != 0.
[[nodiscard]] constexpr unsigned first_from(std::uint64_t bits, unsigned from) noexcept {
  const int turn = static_cast<int>(from & 63U);
  return (from + static_cast<unsigned>(std::countr_zero(std::rotr(bits, turn)))) & 63U;
}

/// Steps forward around the ring from one slot to another.
[[nodiscard]] constexpr unsigned distance(unsigned from, unsigned to) noexcept { return (to - from) & 63U; }

/// Calls visit(slot) for every set bit, around the ring from `from`.
template <class Visit>
constexpr void for_each_from(std::uint64_t bits, unsigned from, Visit&& visit) {
  while (bits != 0) {
    const unsigned slot = first_from(bits, from);
    bits &= ~bit(slot);
    from = slot;
    visit(slot);
  }
}

}  // namespace selvage::shm

#pragma once
// Sizes as a type: 4_MiB is a selvage::bytes, so that an option can never be read as pages or kilobytes.

#include <compare>
#include <cstdint>

namespace selvage {

struct bytes {
  std::uint64_t count = 0;
  friend constexpr auto operator<=>(bytes, bytes) = default;  // NOLINT(modernize-use-nullptr): it compares with 0
};

inline namespace literals {
constexpr bytes operator""_B(unsigned long long n) { return {n}; }
constexpr bytes operator""_KiB(unsigned long long n) { return {n << 10U}; }
constexpr bytes operator""_MiB(unsigned long long n) { return {n << 20U}; }
constexpr bytes operator""_GiB(unsigned long long n) { return {n << 30U}; }
}  // namespace literals

}  // namespace selvage

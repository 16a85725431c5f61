#pragma once
// What an item does that is to take some time: arithmetic, the same in pools.py and pools.mjs. Called by: fan_out.cpp,
// skew.cpp, service.cpp, service_load.cpp.

#include <cstdint>

namespace compare {

/// So many steps that depend on each other: about a nanosecond each. Source: xorshift64*
inline std::uint64_t item(std::uint64_t seed, std::uint64_t loops) {
  std::uint64_t state = seed + 0x9e3779b97f4a7c15U;
  for (std::uint64_t i = 0; i < loops; ++i) {
    state ^= state >> 12U;
    state ^= state << 25U;
    state ^= state >> 27U;
  }
  return state * 0x2545f4914f6cdd1dU;
}

}  // namespace compare

#pragma once
// A PNG file's bytes as a small picture, by libpng: C code that reads what strangers have made. Called in workers.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

struct thumbnail {
  std::uint32_t width = 0, height = 0;  ///< of the whole picture
  std::vector<std::uint8_t> grey{};     ///< 16 by 16
};

inline constexpr std::uint32_t thumbnail_side = 16;

/// Throws std::runtime_error with libpng's words.
thumbnail decode(std::span<const std::byte> png);

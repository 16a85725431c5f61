#pragma once
// What the module and its users share: the type that travels between them.

#include <cstdint>
#include <vector>

/// Grey values from 0 to 255, row by row.
struct grey_image {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::vector<std::uint8_t> pixels;
};

// A module: filters for pictures, as a shared library that hosts import by name and never load.

#include "filters.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

#include <selvage/module.hpp>

namespace {

void require_whole(const grey_image& image) {
  if (image.pixels.size() != std::size_t{image.width} * image.height) throw std::invalid_argument("pixels are missing");
}

/// Each pixel becomes the mean of the square around it.
grey_image blur(const grey_image& image, std::uint32_t radius) {
  require_whole(image);
  grey_image soft = image;
  const auto last_x = static_cast<std::int64_t>(image.width) - 1;
  const auto last_y = static_cast<std::int64_t>(image.height) - 1;
  const auto reach = static_cast<std::int64_t>(radius);
  for (std::int64_t y = 0; y <= last_y; ++y) {
    for (std::int64_t x = 0; x <= last_x; ++x) {
      std::uint64_t sum = 0;
      std::uint64_t count = 0;
      for (std::int64_t j = std::max<std::int64_t>(0, y - reach); j <= std::min(last_y, y + reach); ++j) {
        for (std::int64_t i = std::max<std::int64_t>(0, x - reach); i <= std::min(last_x, x + reach); ++i, ++count) {
          sum += image.pixels[static_cast<std::size_t>(j * image.width + i)];
        }
      }
      soft.pixels[static_cast<std::size_t>(y * image.width + x)] = static_cast<std::uint8_t>(sum / count);
    }
  }
  return soft;
}

grey_image invert(const grey_image& image) {
  grey_image negative = image;
  for (auto& pixel : negative.pixels) pixel = static_cast<std::uint8_t>(255 - pixel);
  return negative;
}

/// One line in, one line out: for the command.
std::string shout(std::string_view line) {
  std::string loud(line);
  std::ranges::transform(loud, loud.begin(),
                         [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  return loud;
}

}  // namespace

SELVAGE_MODULE(selvage::exported<blur>("blur"), selvage::exported<invert>("invert"), selvage::exported<shout>("shout"));

// libpng's simplified interface.

#include "decode.hpp"

#include <png.h>

#include <stdexcept>
#include <string>

thumbnail decode(std::span<const std::byte> png) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  struct freed {
    png_image& it;
    ~freed() { ::png_image_free(&it); }
  } const at_the_end{image};
  if (::png_image_begin_read_from_memory(&image, png.data(), png.size()) == 0) throw std::runtime_error(image.message);
  image.format = PNG_FORMAT_GRAY;
  std::vector<std::uint8_t> pixels(PNG_IMAGE_SIZE(image));
  const png_color on_white = {255, 255, 255};
  if (::png_image_finish_read(&image, &on_white, pixels.data(), 0, nullptr) == 0)
    throw std::runtime_error(image.message);
  thumbnail it{.width = image.width, .height = image.height};
  it.grey.reserve(std::size_t{thumbnail_side} * thumbnail_side);
  for (std::uint64_t y = 0; y < thumbnail_side; ++y) {
    for (std::uint64_t x = 0; x < thumbnail_side; ++x) {
      const std::uint64_t row = y * image.height / thumbnail_side, column = x * image.width / thumbnail_side;
      it.grey.push_back(pixels[row * image.width + column]);
    }
  }
  return it;
}

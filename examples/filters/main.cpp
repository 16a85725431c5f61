// Uses a module's tasks without loading it: only sealed workers do.
//
//   use_filters PATH/TO/libfilters.so

#include <cstdio>

#include <selvage/selvage.hpp>

#include "filters.hpp"

namespace {

grey_image chessboard(std::uint32_t side) {
  grey_image board{side, side, {}};
  for (std::uint32_t y = 0; y < side; ++y) {
    for (std::uint32_t x = 0; x < side; ++x) board.pixels.push_back((x / 8 + y / 8) % 2 == 0 ? 0 : 255);
  }
  return board;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s PATH/TO/libfilters.so\n", argv[0]);
    return 2;
  }
  const auto blur = selvage::import_task<grey_image(const grey_image&, std::uint32_t)>(argv[1], "blur");
  const auto invert = selvage::import_task<grey_image(const grey_image&)>(argv[1], "invert");
  selvage::pool pool({.workers = 2}, blur, invert);

  const grey_image board = chessboard(64);
  const grey_image soft = pool.call(blur, pool.call(invert, board), 4U).get();
  std::printf("a pixel in the middle: %u, inverted and blurred: %u\n", board.pixels[32 * 64 + 32],
              soft.pixels[32 * 64 + 32]);

  const auto torn = pool.call(blur, grey_image{1000, 1000, {1, 2, 3}}, 4U).result();
  std::printf("a picture without its pixels: %s\n", torn ? "was blurred" : torn.error().what());

  try {
    (void)selvage::import_task<int(int)>(argv[1], "blur");
  } catch (const selvage::error& problem) {
    std::printf("imported as what it is not: %s\n", problem.what());
  }
  return torn ? 1 : 0;
} catch (const selvage::error& problem) {
  std::fprintf(stderr, "%s\n", problem.report().c_str());
  return 1;
}

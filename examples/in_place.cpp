// in_place: a large payload without copies. Shows an argument that is built where the worker reads it, and the result
// of a trusted task that is looked at where the worker wrote it.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <span>
#include <vector>

#include <selvage/selvage.hpp>

namespace {

using pixels = std::vector<std::uint8_t>;

// The span is the caller's argument itself, in shared memory that this worker can only read.
pixels inverse_of(std::span<const std::uint8_t> image) {
  pixels inverted;
  inverted.reserve(image.size());
  for (const std::uint8_t pixel : image) inverted.push_back(static_cast<std::uint8_t>(255 - pixel));
  return inverted;
}

const auto invert = selvage::task("invert", inverse_of);

// A camera, so to speak.
void expose(std::span<std::byte> image) {
  for (std::size_t i = 0; i < image.size(); ++i) image[i] = static_cast<std::byte>(i);
}

}  // namespace

int main() {
  constexpr std::size_t size = std::size_t{2048} * 2048;
  selvage::pool pool({.workers = 1}, invert);

  // Copied out: the ordinary call, whose result belongs to the caller.
  const pixels copy = pool.call(invert, selvage::in_place(size, expose)).get();

  // Viewed: its bytes stay in the worker's arena until the view is destroyed. Only for tasks that are trusted: the
  // worker could still change what is being looked at.
  const selvage::trusted_view view = pool.call_trusted(invert, selvage::in_place(size, expose)).get();

  std::size_t right = 0;
  for (std::size_t i = 0; i < view.bytes().size(); ++i) {
    const auto expected = static_cast<std::uint8_t>(255 - static_cast<std::uint8_t>(i));
    right += std::to_integer<std::uint8_t>(view.bytes()[i]) == expected && copy[i] == expected ? 1 : 0;
  }
  std::printf("%zu of %zu pixels are right\n", right, size);
  return view.bytes().size() == size && copy.size() == size && right == size ? 0 : 1;
}

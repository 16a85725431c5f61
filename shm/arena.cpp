// First fit over at most 64 blocks: see arena.hpp.

#include "shm/arena.hpp"

#include <algorithm>
#include <cassert>

namespace selvage::shm {
namespace {

constexpr std::size_t granule = 16;

constexpr std::size_t round_up(std::size_t bytes, std::size_t to) noexcept { return (bytes + to - 1) / to * to; }

}  // namespace

std::optional<std::uint64_t> arena::allocate(unsigned slot, std::size_t bytes) noexcept {
  assert(!holds(slot));
  if (bytes > limits_.maximum) return std::nullopt;
  const std::size_t length = round_up(std::max<std::size_t>(bytes, 1), granule);
  std::uint64_t gap = 0;  // start of the gap before block i
  unsigned i = 0;
  for (; i < count_; ++i) {
    const block& next = blocks_[by_address_[i]];
    if (next.offset - gap >= length) break;
    gap = next.end();
  }
  if (gap + length > reserved_) return std::nullopt;
  std::copy_backward(by_address_.begin() + i, by_address_.begin() + count_, by_address_.begin() + count_ + 1);
  by_address_[i] = static_cast<std::uint8_t>(slot);
  ++count_;
  blocks_[slot] = {gap, length};
  in_use_ += length;
  return gap;
}

std::optional<std::size_t> arena::growth_for(std::size_t bytes) const noexcept {
  if (bytes > limits_.maximum) return std::nullopt;
  const std::size_t end = end_of_use() + round_up(std::max<std::size_t>(bytes, 1), granule);
  if (end > limits_.maximum) return std::nullopt;
  const std::size_t wanted = std::max({end, limits_.initial, 2 * reserved_});
  return std::min(round_up(wanted, page_bytes), limits_.maximum);
}

void arena::trim(unsigned slot, std::uint64_t offset, std::size_t bytes) noexcept {
  assert(holds(slot));
  block& whole = blocks_[slot];
  // One granule is kept at least, for a block of no length would not count as held.
  const std::uint64_t start = std::clamp(offset / granule * granule, whole.offset, whole.end() - granule);
  const std::uint64_t end = std::clamp<std::uint64_t>(round_up(offset + bytes, granule), start + granule, whole.end());
  in_use_ -= whole.length - (end - start);
  whole = {start, end - start};
}

void arena::release(unsigned slot) noexcept {
  if (!holds(slot)) return;
  const auto end = by_address_.begin() + count_;
  const auto at = std::find(by_address_.begin(), end, static_cast<std::uint8_t>(slot));
  std::copy(at + 1, end, at);
  --count_;
  in_use_ -= blocks_[slot].length;
  blocks_[slot] = {};
}

void arena::release_all() noexcept {
  blocks_ = {};
  count_ = 0;
  in_use_ = 0;
}

std::uint64_t arena::end_of_use() const noexcept { return count_ == 0 ? 0 : blocks_[by_address_[count_ - 1]].end(); }

}  // namespace selvage::shm

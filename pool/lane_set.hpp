#pragma once
// Some of a pool's lanes, so that who looks for news looks at these only, and an idle lane costs a call nothing.
//
// Called by: pool_core. Never: knows what it is to be in the set.
// Thread-safety: changed under the pool's lock; read by any thread, for which a lane that comes or goes meanwhile is in
// the set or not.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "shm/bits.hpp"
#include "shm/layout.hpp"

namespace selvage::host {

class lane_set {
 public:
  void add(unsigned lane) noexcept { put(lane, word(lane) | bit(lane)); }
  void remove(unsigned lane) noexcept { put(lane, word(lane) & ~bit(lane)); }
  /// Under the pool's lock.
  [[nodiscard]] bool empty() const noexcept {
    std::uint64_t any = 0;
    for (const auto& word : words_) any |= word.load(std::memory_order_relaxed);  // relaxed: only its holder writes
    return any == 0;
  }

  /// Calls visit(lane) for those of [from, to), in order. Returns: false as soon as `visit` does.
  template <class Visit>
  bool each_of(unsigned from, unsigned to, Visit&& visit) const {
    for (unsigned base = from - from % lanes_a_word; base < to; base += lanes_a_word) {
      // SYNC lane_set: acquires what was done to a lane before it came
      std::uint64_t left = words_[base / lanes_a_word].load(std::memory_order_acquire);
      if (base < from) left &= shm::every_slot << (from - base);
      if (to - base < lanes_a_word) left &= bit(to) - 1;
      for (; left != 0; left &= left - 1) {
        if (!visit(base + shm::first_from(left, 0))) return false;
      }
    }
    return true;
  }

 private:
  static constexpr unsigned lanes_a_word = 64;

  static constexpr std::uint64_t bit(unsigned lane) noexcept { return shm::bit(lane % lanes_a_word); }
  // relaxed: only the thread that has the lock writes
  [[nodiscard]] std::uint64_t word(unsigned lane) const noexcept {
    return words_[lane / lanes_a_word].load(std::memory_order_relaxed);
  }
  void put(unsigned lane, std::uint64_t word) noexcept {
    words_[lane / lanes_a_word].store(word, std::memory_order_release);  // SYNC lane_set
  }

  std::array<std::atomic<std::uint64_t>, (shm::max_lanes + lanes_a_word - 1) / lanes_a_word> words_{};
};

}  // namespace selvage::host

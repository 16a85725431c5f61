#pragma once
// Tasks that write noise over their own lane without end, for tests of what the host makes of it. Called by
// tests/crash/pool_*_test.cpp only, in workers. Never: writes outside of what a worker may write.

#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <thread>

#include "tests/victims/victims.hpp"

namespace selvage::test {

/// In a worker: goes on in a thread of its own while the worker seems to serve, until the worker is killed.
template <class Lie>
void tell_for_ever(Lie lie) {
  std::thread([lie]() mutable {
    for (;;) lie();
  }).detach();
}

enum class target : int { everything, words, headers, arena, crash_record, plausible_headers };

inline std::span<std::uint64_t> words_at(void* from, std::size_t bytes) {
  return {static_cast<std::uint64_t*>(from), bytes / sizeof(std::uint64_t)};
}

/// Headers that are almost true: they get past the first checks.
inline void write_plausible_header(const victims::lane_of_worker& lane, std::mt19937_64& noise) {
  const unsigned slot = static_cast<unsigned>(noise() % 64);
  shm::response_header& header = lane.response.headers[slot];
  const std::uint64_t arena = lane.response_bytes - shm::response_layout::arena;
  const auto about = [&noise](std::uint64_t n) { return n - 64 + noise() % 128; };
  const std::uint64_t numbers[] = {
      0, 16, 80, 81, 4096, about(arena), about(arena / 8), noise() % arena, ~std::uint64_t{0}, about(0)};
  if (noise() % 2 == 0) header.call_id = lane.request.headers[slot].call_id.load(std::memory_order_relaxed);
  header.status = static_cast<std::uint8_t>(noise() % 8);
  header.form = static_cast<std::uint8_t>(noise() % 5);
  header.in_arena = static_cast<std::uint8_t>(noise() % 2);
  header.offset = numbers[noise() % std::size(numbers)];
  header.length = numbers[noise() % std::size(numbers)];
  header.service_ns = noise();
  header.started_at_ns.store(noise(), std::memory_order_relaxed);
}

/// Returns at once; the noise goes on.
inline void scribble(target at, std::uint64_t seed) {
  const victims::lane_of_worker lane = victims::own_lane();
  const std::span<std::uint64_t> area = [&] {
    auto* const region = reinterpret_cast<std::byte*>(lane.response.words);
    switch (at) {
      case target::words:
        return words_at(region, sizeof(shm::response_words));
      case target::headers:
        return words_at(lane.response.headers, shm::slots_per_lane * sizeof(shm::response_header));
      case target::crash_record:
        return words_at(lane.response.crash, sizeof(shm::crash_record));
      case target::arena:
        return words_at(lane.response.arena, lane.response_bytes - shm::response_layout::arena);
      default:
        return words_at(region, lane.response_bytes);
    }
  }();
  tell_for_ever([=, noise = std::mt19937_64(seed)]() mutable {
    if (at == target::plausible_headers) return write_plausible_header(lane, noise);
    for (int i = 0; i < 64; ++i) area[noise() % area.size()] = noise() % 3 == 0 ? noise() % 200 : noise();
  });
}

}  // namespace selvage::test

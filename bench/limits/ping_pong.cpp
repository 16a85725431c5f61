// The raw round trip: two words, two processes, both spinning. See ping_pong.hpp.

#include "ping_pong.hpp"

#include <new>

#include "timing.hpp"

namespace limits {

// Pairs of lines are fetched together on some processors: hence twice the alignment.
struct ping_pong::words {
  alignas(2 * line_bytes) std::atomic<std::uint64_t> ping{0};  // the caller writes
  alignas(2 * line_bytes) std::atomic<std::uint64_t> pong{0};  // the peer writes
  alignas(2 * line_bytes) gate open;
};

ping_pong::ping_pong(int peer_cpu)
    : memory_(sizeof(words)), words_(*new (memory_.data()) words), peer_(peer_cpu, [this] { serve(words_); }) {}

void ping_pong::serve(words& shared) noexcept {
  std::uint64_t seen = 0;
  for (spinner spin;;) {
    shared.open.wait_until_open();
    while (shared.open.is_open()) {
      const std::uint64_t number = shared.ping.load(std::memory_order_acquire);
      if (number == seen) {
        spin.pause();
        continue;
      }
      shared.pong.store(number, std::memory_order_release);
      seen = number;
    }
  }
}

void ping_pong::round_trip(std::uint64_t number) const {
  words_.ping.store(number, std::memory_order_release);
  peer_.spin_until([&] { return words_.pong.load(std::memory_order_acquire) == number; });
}

std::vector<double> ping_pong::sample(std::size_t count) {
  const opened serving(words_.open);
  const auto call = [this] { round_trip(++number_); };
  warm_up(2000, call);
  return time_batches(count, round_trips_per_sample, call);
}

}  // namespace limits

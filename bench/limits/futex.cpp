// Two processes that sleep and wake each other. See futex.hpp.

#include "futex.hpp"

#include <new>

namespace limits {
namespace {

// Publishes the number and wakes whoever sleeps on it.
void tell(std::atomic<std::uint32_t>& word, std::uint32_t number) noexcept {
  word.store(number, std::memory_order_release);
  futex_wake(word);
}

// Sleeps until the word is no longer `seen`; returns what it is.
std::uint32_t next_after(const std::atomic<std::uint32_t>& word, std::uint32_t seen) noexcept {
  for (;;) {
    const std::uint32_t now = word.load(std::memory_order_acquire);
    if (now != seen) return now;
    futex_wait(word, seen);
  }
}

}  // namespace

struct futex_pair::words {
  alignas(2 * line_bytes) std::atomic<std::uint32_t> request{0};   // the caller writes
  alignas(2 * line_bytes) std::atomic<std::uint32_t> response{0};  // the peer writes
};

futex_pair::futex_pair(int peer_cpu)
    : memory_(sizeof(words)), words_(*new (memory_.data()) words), peer_(peer_cpu, [this] { serve(words_); }) {}

void futex_pair::serve(words& shared) noexcept {
  for (std::uint32_t seen = 0;;) {
    seen = next_after(shared.request, seen);
    tell(shared.response, seen);
  }
}

std::vector<double> futex_pair::sample(std::size_t count) {
  std::vector<double> samples(count);
  for (double& each : samples) {
    const std::uint64_t begin = now_ns();
    tell(words_.request, ++number_);
    peer_.sleep_until(words_.response, number_);
    each = static_cast<double>(now_ns() - begin) / 1e3;
  }
  return samples;
}

struct futex_one_way::words {
  alignas(2 * line_bytes) std::atomic<std::uint32_t> request{0};   // the caller writes
  alignas(2 * line_bytes) std::atomic<std::uint32_t> response{0};  // the peer writes
  std::uint64_t woken_at_ns = 0;                                   // the peer writes; response publishes it
};

futex_one_way::futex_one_way(std::uint64_t task_ns, int peer_cpu)
    : memory_(sizeof(words)),
      words_(*new (memory_.data()) words),
      peer_(peer_cpu, [this, task_ns] { serve(words_, task_ns); }) {}

void futex_one_way::serve(words& shared, std::uint64_t task_ns) noexcept {
  for (std::uint32_t seen = 0;;) {
    seen = next_after(shared.request, seen);
    pass_time(task_ns);
    shared.woken_at_ns = now_ns();
    tell(shared.response, seen);
  }
}

std::vector<double> futex_one_way::sample(std::size_t count) {
  std::vector<double> samples(count);
  for (double& each : samples) {
    tell(words_.request, ++number_);
    peer_.sleep_until(words_.response, number_);
    each = static_cast<double>(now_ns() - words_.woken_at_ns) / 1e3;
  }
  return samples;
}

}  // namespace limits

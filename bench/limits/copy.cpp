// memcpy over two processes with a window of buffers. See copy.hpp.

#include "copy.hpp"

#include <cstring>
#include <new>
#include <stdexcept>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "timing.hpp"

namespace limits {
namespace {

constexpr std::size_t page_bytes = 4096;

constexpr std::size_t whole_pages(std::size_t bytes) { return (bytes + page_bytes - 1) / page_bytes * page_bytes; }

copy_options checked(copy_options options) {
  if (options.depth < 1 || options.depth > 64) throw std::invalid_argument("copy_options.depth is not 1 to 64");
  if (options.bytes == 0) throw std::invalid_argument("copy_options.bytes is 0");
  if (options.echoes_per_sample == 0) throw std::invalid_argument("copy_options.echoes_per_sample is 0");
  return options;
}

constexpr unsigned value_of(std::uint64_t call) { return static_cast<unsigned>(call % 251) + 1; }

}  // namespace

void fill(std::byte* to, std::size_t bytes, std::uint64_t call) noexcept {
  std::memset(to, static_cast<int>(value_of(call)), bytes);
}

std::uint64_t sum(const std::byte* from, std::size_t bytes) noexcept {
  std::uint64_t total = 0;
#if defined(__SSE2__)  // the plain loop is bound by the processor, not by memory
  __m128i halves = _mm_setzero_si128();
  for (; bytes >= sizeof halves; bytes -= sizeof halves, from += sizeof halves) {
    const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    halves = _mm_add_epi64(halves, _mm_sad_epu8(block, _mm_setzero_si128()));
  }
  std::uint64_t parts[2];
  std::memcpy(parts, &halves, sizeof halves);
  total = parts[0] + parts[1];
#endif
  for (; bytes > 0; --bytes) total += std::to_integer<std::uint64_t>(*from++);
  return total;
}

struct memcpy_two_process::words {
  alignas(2 * line_bytes) std::atomic<std::uint64_t> posted{0};  // the caller writes
  alignas(2 * line_bytes) std::atomic<std::uint64_t> done{0};    // the peer writes
  alignas(2 * line_bytes) gate open;
};

memcpy_two_process::memcpy_two_process(echo kind, copy_options options, int peer_cpu)
    : kind_(kind),
      options_(checked(options)),
      memory_(page_bytes + std::size_t{2} * options.depth * whole_pages(options.bytes)),
      words_(*new (memory_.data()) words),
      source_(options.bytes, std::byte{0x5a}),
      target_(options.bytes),
      peer_(peer_cpu, [this] { serve(); }) {
  static_assert(sizeof(words) <= page_bytes);
}

std::byte* memcpy_two_process::request(std::uint64_t call) const noexcept {
  return memory_.data() + page_bytes + call % options_.depth * whole_pages(options_.bytes);
}

std::byte* memcpy_two_process::response(std::uint64_t call) const noexcept {
  return memory_.data() + page_bytes + (options_.depth + call % options_.depth) * whole_pages(options_.bytes);
}

void memcpy_two_process::serve() noexcept {
  memory_.populate();
  std::uint64_t done = 0;
  std::uint64_t next = 0;
  for (spinner spin;;) {
    words_.open.wait_until_open();
    while (words_.open.is_open()) {
      const std::uint64_t bit = std::uint64_t{1} << (next % options_.depth);
      if (((words_.posted.load(std::memory_order_acquire) ^ done) & bit) == 0) {
        spin.pause();
        continue;
      }
      std::memcpy(response(next), request(next), options_.bytes);
      done ^= bit;
      words_.done.store(done, std::memory_order_release);
      ++next;
    }
  }
}

void memcpy_two_process::post() {
  if (kind_ == echo::copied) {
    std::memcpy(request(posted_), source_.data(), options_.bytes);
  } else {
    fill(request(posted_), options_.bytes, posted_);
  }
  posted_bits_ ^= std::uint64_t{1} << (posted_ % options_.depth);
  words_.posted.store(posted_bits_, std::memory_order_release);
  ++posted_;
}

void memcpy_two_process::collect() {
  const std::uint64_t bit = std::uint64_t{1} << (collected_ % options_.depth);
  peer_.spin_until([&] { return ((words_.done.load(std::memory_order_acquire) ^ posted_bits_) & bit) == 0; });
  if (kind_ == echo::copied) {
    std::memcpy(target_.data(), response(collected_), options_.bytes);
  } else if (sum(response(collected_), options_.bytes) != options_.bytes * value_of(collected_)) {
    throw std::logic_error("a payload came back changed");
  }
  ++collected_;
}

std::vector<double> memcpy_two_process::sample(std::size_t count) {
  const opened serving(words_.open);
  while (posted_ - collected_ < options_.depth) post();
  const auto call = [this] {
    collect();
    post();
  };
  for (unsigned i = 0; i < options_.depth; ++i) call();  // warms up
  std::vector<double> samples = time_batches(count, options_.echoes_per_sample, call);
  for (double& each : samples) each = static_cast<double>(options_.bytes) / each;
  while (collected_ != posted_) collect();
  if (kind_ == echo::copied && target_ != source_) throw std::logic_error("a payload came back changed");
  return samples;
}

}  // namespace limits

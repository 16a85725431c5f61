#pragma once
// The limits of large payloads: memcpy between two processes that spin, with as many buffers in flight as the figure
// has, handed over by toggled bits and taken in ring order.
//
//   copied     caller: private -> shared    peer: shared -> shared    caller: shared -> private     three copies
//   in_place   caller: fills the buffer     peer: shared -> shared    caller: sums the result       one copy
//
// Called by: the bulk benchmarks. Never: sleeps in a sample.

#include <cstddef>
#include <vector>

#include "process.hpp"

namespace limits {

/// Writes every byte, each call another value: what the caller of an echo in place does, figure and limit alike.
void fill(std::byte* to, std::size_t bytes, std::uint64_t call) noexcept;
/// Reads every byte. Returns: their sum.
[[nodiscard]] std::uint64_t sum(const std::byte* from, std::size_t bytes) noexcept;

enum class echo { copied, in_place };

struct copy_options {
  std::size_t bytes = std::size_t{1} << 20;  ///< of one payload
  unsigned depth = 64;  ///< payloads in flight, 1 to 64, each with a buffer of its own in both directions
  unsigned echoes_per_sample = 64;
};

class memcpy_two_process {
 public:
  /// Reserves 2 * depth * bytes of shared memory. Throws std::system_error where there is no room.
  explicit memcpy_two_process(echo kind, copy_options options = {}, int peer_cpu = any_cpu);

  /// Returns: GB/s of payload echoed: a byte counts once however often it is copied. The window is filled before the
  /// first sample and drained after the last. Throws std::logic_error where a payload came back changed.
  [[nodiscard]] std::vector<double> sample(std::size_t count);

 private:
  struct words;

  [[nodiscard]] std::byte* request(std::uint64_t call) const noexcept;
  [[nodiscard]] std::byte* response(std::uint64_t call) const noexcept;
  void serve() noexcept;
  void post();
  void collect();

  echo kind_;
  copy_options options_;
  shared_memory memory_;
  words& words_;
  std::vector<std::byte> source_;  // one for all calls, as the figure sends the same bytes again and again
  std::vector<std::byte> target_;  // one for all calls, as an allocator hands out what was just freed
  peer peer_;
  std::uint64_t posted_ = 0;
  std::uint64_t collected_ = 0;
  std::uint64_t posted_bits_ = 0;
};

}  // namespace limits

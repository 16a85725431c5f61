#pragma once
// Puts the answer to a call into the lane: small results into the slot's header, larger ones into the response
// arena, whose blocks come back when the host has taken their results.
//
// Called by: worker/loop.cpp, once for each call. Never: toggles a bit of the protocol, or fails a result that fits
// an empty arena: it waits for the host to take others instead.
// Thread-safety: none; the worker's main thread.

#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>

#include <selvage/detail/payload.hpp>
#include "shm/arena.hpp"
#include "shm/lane.hpp"
#include "worker/idle.hpp"

namespace selvage::worker {

class result_writer {
 public:
  /// `cap`: bytes; a longer result is payload_too_large.
  result_writer(shm::worker_lane& lane, shm::arena::limits arena, std::size_t cap, const idle_options& idle) noexcept
      : lane_(lane), arena_(arena), cap_(cap), idler_(idle) {}

  /// The slot was posted anew: the host has taken what it held. Cost: a test of a bit, a prefetch.
  void begin(unsigned slot) noexcept {
    if (shm::test(held_, slot)) release(slot);
    if (held_ != 0) lane_.prefetch_taken();  // meanwhile: room_for() waits for that line otherwise
  }
  /// Fills status, form, place and payload of the slot's response header. An earlier answer to the same call is
  /// replaced.
  /// Blocks: while the arena is full, until the host has taken results.
  void write(unsigned slot, const detail::payload_source& result) noexcept;
  /// The same with the exception that came instead of a result.
  void write_failure(unsigned slot, const std::exception_ptr& problem) noexcept;
  /// The same with a bare status.
  void write_status(unsigned slot, shm::response_status status, std::uint64_t length = 0) noexcept;
  /// Some answer was out_of_memory: whatever the task has leaked is still held.
  [[nodiscard]] bool ran_out_of_memory() const noexcept { return out_of_memory_; }

 private:
  void write_inline(unsigned slot, const detail::payload_source& result);
  void write_in_arena(unsigned slot, const detail::payload_source& result);
  void write_by_detour(unsigned slot, const detail::payload_source& result);
  void publish_block(unsigned slot, detail::payload_form form, shm::response_status status, std::uint64_t block,
                     detail::extent used) noexcept;

  [[nodiscard]] std::optional<std::uint64_t> room_for(unsigned slot, std::size_t bytes) noexcept;
  [[nodiscard]] bool reserve_for(std::size_t bytes) noexcept;
  void release(unsigned slot) noexcept;
  void release_taken() noexcept;
  void wait_until_taken() noexcept;

  shm::worker_lane& lane_;
  shm::arena arena_;
  std::size_t cap_;
  idler idler_;
  std::uint64_t held_ = 0;  // slots with a block
  bool out_of_memory_ = false;
};

}  // namespace selvage::worker

#pragma once
// The fence between "I stored" and "I read what you stored", where the side that publishes does so for every call and
// the side that parks (or takes a call back) does so rarely: the rare side pays for both.
//
// Called by: shm/lane.hpp, and by the collector before it parks. Never: fails silently; what cannot be had is said.
//
// With asymmetric fences the frequent side only keeps the compiler from reordering; the rare side runs membarrier(2),
// which makes every running thread of every registered process pass a full barrier. Store, light fence, load against
// store, heavy fence, load then excludes what two full fences exclude: that both sides miss each other's store.
// Source: membarrier(2), MEMBARRIER_CMD_GLOBAL_EXPEDITED (Linux 4.16).

#include <atomic>
#include <cstdint>

namespace selvage::shm {

enum class fences : std::uint32_t {
  symmetric = 0,   ///< both sides use full fences
  asymmetric = 1,  ///< this process is registered: its light fences are completed by others' heavy ones
};

/// Registers this process. Cost: a system call; milliseconds the first time in a process that has threads.
[[nodiscard]] fences register_for_heavy_fences() noexcept;

/// The frequent side's fence.
inline void light_fence(fences mode) noexcept {
  if (mode == fences::asymmetric) {
    std::atomic_signal_fence(std::memory_order_seq_cst);
  } else {
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
}

/// The rare side's fence, against a peer of that mode. Returns: false where the peer's light fences could not be
/// completed:
/// then the caller must look again after a bounded time. Cost: a system call and an interrupt of each core that runs a
/// registered process.
[[nodiscard]] bool heavy_fence(fences peer) noexcept;

}  // namespace selvage::shm

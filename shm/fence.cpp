// membarrier(2): see fence.hpp.
#include "shm/fence.hpp"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace selvage::shm {
namespace {

bool membarrier(int command) noexcept { return ::syscall(SYS_membarrier, command, 0U, 0) == 0; }

}  // namespace

fences register_for_heavy_fences() noexcept {
  return membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED) ? fences::asymmetric : fences::symmetric;
}

bool heavy_fence(fences peer) noexcept {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return peer == fences::symmetric || membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED);
}

}  // namespace selvage::shm

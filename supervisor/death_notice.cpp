// Registers the death notice with the kernel. Called by: supervisor.cpp. Never: unregistered; it outlives the thread.

#include "supervisor/death_notice.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include "base/syscalls.hpp"

namespace selvage::supervisor {

death_notice::death_notice(shm::word32& life) {
  entry_.next = &head_.list;
  head_.list.next = &entry_;
  head_.futex_offset =
      static_cast<long>(reinterpret_cast<std::intptr_t>(&life) - reinterpret_cast<std::intptr_t>(&entry_));
  head_.list_op_pending = nullptr;
  base::check(::syscall(SYS_set_robust_list, &head_, sizeof head_), "set_robust_list");
  // FUTEX_WAITERS: the kernel wakes only where this bit says that somebody may wait
  life.store(static_cast<std::uint32_t>(::gettid()) | FUTEX_WAITERS,
             std::memory_order_relaxed);  // relaxed: it carries no data
}

}  // namespace selvage::supervisor

// The page that a fork wipes: see fork_guard.hpp.

#include "pool/fork_guard.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <new>

#include "base/syscalls.hpp"
#include "shm/layout.hpp"

namespace selvage::host {

fork_guard::fork_guard() : owner_(::getpid()) {
  void* const page = ::mmap(nullptr, shm::page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) base::throw_errno(errno, "mmap of the fork guard's page");
  base::check(::madvise(page, shm::page_bytes, MADV_WIPEONFORK), "madvise(MADV_WIPEONFORK)");
  token_ = new (page) std::atomic<std::uint32_t>(1);
}

fork_guard::~fork_guard() { ::munmap(token_, shm::page_bytes); }

}  // namespace selvage::host

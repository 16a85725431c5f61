// The page that a fork empties: see this_process.hpp.

#include "base/this_process.hpp"

#include <sys/mman.h>

#include <chrono>
#include <new>
#include <thread>

#include "base/clock.hpp"
#include "base/syscalls.hpp"

namespace selvage::base {
namespace {

constexpr std::size_t page_bytes = 4096;
static_assert(sizeof(process_page) <= page_bytes);

process_page& mapped_page() {
  if (process_page* const known = the_process_page.load(std::memory_order_acquire)) return *known;  // SYNC process_page
  void* const memory = ::mmap(nullptr, page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw_errno(errno, "mmap of the page that a fork empties");
  check(::madvise(memory, page_bytes, MADV_WIPEONFORK), "madvise(MADV_WIPEONFORK)");
  auto* const fresh = new (memory) process_page;
  process_page* known = nullptr;
  if (the_process_page.compare_exchange_strong(known, fresh, std::memory_order_acq_rel)) return *fresh;
  ::munmap(memory, page_bytes);  // another thread was faster
  return *known;
}

}  // namespace

std::uint64_t token_of_this_process() {
  process_page& page = mapped_page();
  std::uint64_t known = 0;
  // The time tells it from every process that it may be a copy of: none has made one up at this instant. relaxed:
  // nothing else is published by it
  const std::uint64_t fresh = now_ns();
  return page.token.compare_exchange_strong(known, fresh, std::memory_order_relaxed) ? fresh : known;
}

void wait_for_visitors() noexcept {
  process_page* const page = the_process_page.load(std::memory_order_acquire);  // SYNC process_page
  if (page == nullptr) return;
  std::atomic_thread_fence(std::memory_order_seq_cst);  // SYNC visitor: calls were settled; who looks now sees it
  for (visitor_count& each : page->visitors) {
    for (unsigned looks = 0; each.inside.load(std::memory_order_acquire) != 0; ++looks) {
      // Whoever is inside may have no processor, and may be of a lower priority than we are.
      if (looks < 100) {
        std::this_thread::yield();
      } else {
        std::this_thread::sleep_for(std::chrono::microseconds(50));
      }
    }
  }
}

}  // namespace selvage::base

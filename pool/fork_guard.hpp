#pragma once
// Tells a pool's owner from a child that the owner forked: in the child the pool's lanes are not mapped, its threads do
// not run, and nothing of it may be used. One load, no system call. Source: madvise(2), MADV_WIPEONFORK.

#include <atomic>
#include <cstdint>

#include <sys/types.h>

namespace selvage::host {

class fork_guard {
 public:
  fork_guard();
  ~fork_guard();
  fork_guard(const fork_guard&) = delete;
  fork_guard& operator=(const fork_guard&) = delete;

  [[nodiscard]] bool in_owner() const noexcept {
    return token_->load(std::memory_order_relaxed) != 0;  // relaxed: the kernel wipes the page before the child runs
  }
  [[nodiscard]] pid_t owner() const noexcept { return owner_; }

 private:
  std::atomic<std::uint32_t>* token_;
  pid_t owner_;
};

}  // namespace selvage::host

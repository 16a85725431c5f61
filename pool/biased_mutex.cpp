// The slow ways into the lock: see biased_mutex.hpp.

#include "pool/biased_mutex.hpp"

#include <sched.h>

#include <chrono>
#include <thread>

#include "shm/doorbell.hpp"

namespace selvage::host {

void biased_mutex::lock_mutex(pthread_t self) {
  mutex_.lock();
  if (const pthread_t owner = owner_.load(std::memory_order_relaxed); owner != nobody && owner != self) take_away();
  by_mutex_ = true;
  turns_ = last_ == self ? turns_ + 1 : 0;
  last_ = self;
  if (!biasable_ || turns_ < turns_for_bias) return;
  turns_ = 0;
  owner_.store(self, std::memory_order_relaxed);  // relaxed: others read it under mutex_
}

// Requires: mutex_. Afterwards nobody is inside by the bias, or will be.
void biased_mutex::take_away() noexcept {
  constexpr unsigned looks_before_yield = 100;
  constexpr unsigned looks_before_nap = 120;
  constexpr auto nap = std::chrono::microseconds(20);
  constexpr auto longest_in_store_buffer = std::chrono::milliseconds(1);
  owner_.store(nobody, std::memory_order_relaxed);   // relaxed: fenced below
  if (!shm::heavy_fence(shm::fences::asymmetric)) {  // SYNC bias: against lock()
    // Registering worked and this does not: somebody has forbidden the system call since. No store stays so long in
    // its core, and there will be no bias again.
    biasable_ = false;
    std::this_thread::sleep_for(longest_in_store_buffer);
  }
  for (unsigned looks = 0; inside_.load(std::memory_order_acquire) != 0; ++looks) {  // SYNC bias: what was done inside
    if (looks < looks_before_yield) {
      shm::spin_pause();
    } else if (looks < looks_before_nap) {
      ::sched_yield();
    } else {
      std::this_thread::sleep_for(nap);  // the owner may have no processor
    }
  }
}

}  // namespace selvage::host

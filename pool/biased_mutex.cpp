// The slow ways into the lock: see biased_mutex.hpp.

#include "pool/biased_mutex.hpp"

#include <sched.h>

#include <chrono>
#include <thread>

#include "shm/doorbell.hpp"

namespace selvage::host {

void biased_mutex::lock_mutex(pthread_t self) {
  mutex_.lock();
  // Relaxed: written under mutex_.
  if (chair* const owner = owner_.load(std::memory_order_relaxed); owner != nullptr) take_away(*owner);
  inside_by_ = nullptr;
  turns_ = last_ == self ? turns_ + 1 : 0;
  last_ = self;
  if (!biasable_ || turns_ < turns_for_bias) return;
  turns_ = 0;
  owner_.store(chair_of(self), std::memory_order_release);  // release: the chair's thread
}

// Requires: mutex_. Returns: null where other threads have all of them.
biased_mutex::chair* biased_mutex::chair_of(pthread_t self) noexcept {
  for (chair& each : chairs_) {
    if (each.thread == 0) each.thread = self;
    if (each.thread == self) return &each;
  }
  return nullptr;
}

// Requires: mutex_. Afterwards nobody is inside by the bias, or will be.
void biased_mutex::take_away(chair& from) noexcept {
  constexpr unsigned looks_before_yield = 100;
  constexpr unsigned looks_before_nap = 120;
  constexpr auto nap = std::chrono::microseconds(20);
  constexpr auto longest_in_store_buffer = std::chrono::milliseconds(1);
  owner_.store(nullptr, std::memory_order_relaxed);  // relaxed: fenced below
  if (!shm::heavy_fence(shm::fences::asymmetric)) {  // SYNC bias: against lock()
    // Registering worked and this does not: somebody has forbidden the system call since. No store stays so long in
    // its core, and there will be no bias again.
    biasable_ = false;
    std::this_thread::sleep_for(longest_in_store_buffer);
  }
  for (unsigned looks = 0; from.inside.load(std::memory_order_acquire) != 0;
       ++looks) {  // SYNC bias: what was done inside
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

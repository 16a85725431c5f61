#pragma once
// The pool's lock: a mutex that costs no locked instruction for as long as one thread alone takes it.
//
// Most pools are used by one thread. For it a mutex costs two locked instructions a turn, and each of them waits until
// the stores before it have reached the other core's cache: with calls in flight that is dearer than all else that a
// call does. So the mutex is biased: a thread that has taken it many times in a row owns it, and enters by a plain
// store and a look. A second thread takes the bias away first, with a heavy fence in place of the owner's.
//
// Every thread that ever has the bias says that it is inside in a chair of its own. A thread can be stopped between
// believing that it has the bias and saying so, for as long as others have it by turns; what it then stores, and takes
// back, must not be read as the word of another.
//
// Called by: pool_core, as its one lock. Never: biased where the process could not register for heavy fences.
//
//   owner:   my chair: inside = 1; light fence; look whether the bias is still mine   | SYNC bias: store, fence, look,
//   other:   bias = nobody; heavy fence; wait until the owner's chair: inside == 0    | on either side
//
// Thread-safety: lock and unlock from any thread; not recursive. Blocks: as a mutex does; who takes the bias away waits
// for the owner's turn to end without being woken (it looks, yields, then naps for 20 us at a time).
// Cost: 2 ns for the owner; taking the bias away 1 to 20 us, then a mutex until one thread has had some turns in a row.
// Source: Dice, Moir, Scherer, "Quickly reacquirable locks", 2003; membarrier(2).

#include <pthread.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>

#include "shm/fence.hpp"

namespace selvage::host {

class biased_mutex {
 public:
  /// `mode`: symmetric makes it a plain mutex.
  explicit biased_mutex(shm::fences mode) noexcept : biasable_(mode == shm::fences::asymmetric) {}
  biased_mutex(const biased_mutex&) = delete;
  biased_mutex& operator=(const biased_mutex&) = delete;

  void lock() {
    const pthread_t self = ::pthread_self();
    // Acquire: the chair's thread. That it is this one can only have been stored by this one.
    if (chair* const mine = owner_.load(std::memory_order_acquire); mine != nullptr && mine->thread == self) {
      mine->inside.store(1, std::memory_order_relaxed);      // relaxed: fenced below
      shm::light_fence(shm::fences::asymmetric);             // SYNC bias: against take_away
      if (owner_.load(std::memory_order_relaxed) == mine) {  // relaxed: fenced above
        inside_by_ = mine;
        return;
      }
      mine->inside.store(0, std::memory_order_release);  // SYNC bias: nothing was done inside
    }
    lock_mutex(self);
  }
  void unlock() {
    if (chair* const mine = inside_by_; mine != nullptr) {
      mine->inside.store(0, std::memory_order_release);  // SYNC bias: what was done inside, for whoever takes it away
    } else {
      mutex_.unlock();
    }
  }

  /// Turns in a row, of one thread and by the mutex, after which that thread has the bias.
  static constexpr unsigned turns_for_bias = 16;
  /// Threads that ever have the bias of one lock. Further ones take turns by the mutex.
  static constexpr std::size_t most_preferred = 8;

 private:
  // glibc's pthread_t is a word, never 0, and no two living threads share one. A thread that gets a dead one's starts
  // after its end, and so inherits its chair rightly.
  struct chair {
    pthread_t thread = 0;                  // 0: free; written once, under mutex_
    std::atomic<std::uint32_t> inside{0};  // written by that thread: it has the lock by its bias
  };

  void lock_mutex(pthread_t self);
  chair* chair_of(pthread_t self) noexcept;
  void take_away(chair& from) noexcept;

  std::atomic<chair*> owner_{nullptr};  // who has the bias; written under mutex_
  chair* inside_by_ = nullptr;          // under the lock: how it was taken; null: by mutex_
  bool biasable_;                       // under mutex_
  unsigned turns_ = 0;                  // under mutex_: in a row, of last_
  pthread_t last_ = 0;                  // under mutex_
  std::array<chair, most_preferred> chairs_{};
  std::mutex mutex_;
};

}  // namespace selvage::host

#pragma once
// Every signal blocked in the calling thread for as long as the object lives: no handler of the host runs in a
// newborn process, and no system call that begins anew after each signal goes on for ever.
//
// Called by: both ways to start, and shm/ when it reserves memory. Never: handed to another thread.

#include <signal.h>

namespace selvage::base {

class signals_blocked {
 public:
  signals_blocked() noexcept {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~signals_blocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  signals_blocked(const signals_blocked&) = delete;
  signals_blocked& operator=(const signals_blocked&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace selvage::base

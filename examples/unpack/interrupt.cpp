// See interrupt.hpp.

#include "interrupt.hpp"

#include <signal.h>

#include <csignal>

namespace unpack {
namespace {

volatile std::sig_atomic_t remembered = 0;  // a signal handler can be passed nothing else

void remember(int signal) { remembered = signal; }

}  // namespace

void remember_interrupts() {
  struct sigaction action {};
  action.sa_handler = remember;
  ::sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;  // every wait of ours is short
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

void throw_if_interrupted() {
  if (const int signal = remembered; signal != 0) throw interrupted{signal};
}

}  // namespace unpack

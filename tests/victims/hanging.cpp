// Victims that do not come back, and victims that take what they can get. See victims.hpp.
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstring>
#include <mutex>
#include <vector>

#include "tests/victims/victims.hpp"

namespace selvage::victims {

void spin_without_sigterm() {
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_IGN);
  for (volatile bool on = true; on;) {
  }
}

void sleep_for_ever() {
  for (;;) ::pause();
}

void deadlock_on_its_own_mutex() {
  static std::mutex mutex;
  mutex.lock();
  mutex.lock();
}

void stop_itself() { ::raise(SIGSTOP); }

void allocate_without_end() {
  constexpr std::size_t piece = 1U << 20U;
  std::vector<std::vector<char>> kept;
  for (;;) kept.emplace_back(piece, 'x');
}

int leave_a_grandchild() {
  int ends[2];
  if (::pipe(ends) != 0) return -1;
  if (const pid_t child = ::fork(); child == 0) {
    ::setsid();
    const pid_t grandchild = ::fork();
    if (grandchild == 0) {
      ::signal(SIGALRM, SIG_DFL);
      ::alarm(60);  // nobody else may be there to end it where a test has failed
      for (;;) ::pause();
    }
    (void)!::write(ends[1], &grandchild, sizeof grandchild);
    ::_exit(0);
  }
  pid_t sleeper = -1;
  (void)!::read(ends[0], &sleeper, sizeof sleeper);
  ::close(ends[0]);
  ::close(ends[1]);
  return sleeper;
}

}  // namespace selvage::victims

// Reserving shared memory while signals rain: it comes to an end, and leaves the thread's signal mask as it was.

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <csignal>

#include "base/unique_fd.hpp"
#include "shm/segment.hpp"

namespace {

volatile std::sig_atomic_t rang = 0;

/// SIGALRM every so often, for as long as this lives.
class rain {
 public:
  explicit rain(long interval_us) {
    struct sigaction action = {};
    action.sa_handler = [](int) { rang = 1; };
    ::sigaction(SIGALRM, &action, &before_);
    const itimerval every = {{0, interval_us}, {0, interval_us}};
    ::setitimer(ITIMER_REAL, &every, nullptr);
  }
  ~rain() {
    const itimerval never = {};
    ::setitimer(ITIMER_REAL, &never, nullptr);
    ::sigaction(SIGALRM, &before_, nullptr);
  }
  rain(const rain&) = delete;
  rain& operator=(const rain&) = delete;

 private:
  struct sigaction before_ = {};
};

// On Linux 6.1 it went on for ever where this much took longer than the interval.
TEST(segment_signals, a_reservation_ends_although_a_signal_comes_every_fifty_microseconds) {
  constexpr std::uint64_t bytes = 64ULL << 20U;
  const selvage::base::unique_fd memory(::memfd_create("signals", MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(memory.get(), bytes), 0);
  const rain storm(50);
  ASSERT_EQ(selvage::shm::reserve(memory.get(), 0, bytes), 0);
  EXPECT_NE(rang, 0) << "what came meanwhile is delivered when it is done";
  struct stat info = {};
  ASSERT_EQ(::fstat(memory.get(), &info), 0);
  EXPECT_EQ(static_cast<std::uint64_t>(info.st_blocks) * 512, bytes);
  sigset_t blocked;
  ::sigemptyset(&blocked);
  ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
  EXPECT_EQ(::sigismember(&blocked, SIGALRM), 0);
}

}  // namespace

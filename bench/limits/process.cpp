// The system calls behind the limits: shared memory, the second process, futexes, pinning. See process.hpp.

#include "process.hpp"

#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <stdexcept>
#include <string>
#include <system_error>

namespace limits {
namespace {

[[noreturn]] void fail(int error, const std::string& what) {
  throw std::system_error(error, std::generic_category(), what);
}

}  // namespace

bool futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t expected) noexcept {
  const timespec second{1, 0};
  return ::syscall(SYS_futex, &word, FUTEX_WAIT, expected, &second, nullptr, 0) == 0 || errno != ETIMEDOUT;
}

void futex_wake(const std::atomic<std::uint32_t>& word) noexcept {
  ::syscall(SYS_futex, &word, FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

void pin(int cpu, int pid) {
  if (cpu == any_cpu) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  for (int each = 0; each < CPU_SETSIZE; ++each) {
    if (cpu == all_cpus || cpu == each) CPU_SET(static_cast<std::size_t>(each), &set);
  }
  if (::sched_setaffinity(pid, sizeof set, &set) != 0)
    fail(errno, "sched_setaffinity to processor " + std::to_string(cpu));
}

void pass_time(std::uint64_t ns) noexcept {
  constexpr std::uint64_t spun_ns = 150'000;
  const std::uint64_t end = now_ns() + ns;
  if (ns > spun_ns) {
    const std::uint64_t until = end - spun_ns;
    const timespec wake{static_cast<time_t>(until / 1'000'000'000U), static_cast<long>(until % 1'000'000'000U)};
    while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &wake, nullptr) == EINTR) {
    }
  }
  while (now_ns() < end) spin_pause();
}

shared_memory::shared_memory(std::size_t bytes) : bytes_(bytes) {
  const std::string name = "/limit-" + std::to_string(::getpid());
  const int fd = ::shm_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) fail(errno, "shm_open " + name);
  ::shm_unlink(name.c_str());
  const int full = ::posix_fallocate(fd, 0, static_cast<off_t>(bytes));
  void* const mapped =
      full != 0 ? MAP_FAILED : ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
  const int error = full != 0 ? full : errno;
  ::close(fd);
  if (mapped == MAP_FAILED) fail(error, "reserving " + std::to_string(bytes) + " bytes of shared memory");
  data_ = static_cast<std::byte*>(mapped);
}

shared_memory::~shared_memory() { ::munmap(data_, bytes_); }

void shared_memory::populate() const noexcept { ::madvise(data_, bytes_, MADV_POPULATE_WRITE); }

int peer::fork_child() {
  const int parent = ::getpid();
  const int pid = ::fork();
  if (pid < 0) fail(errno, "fork");
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);    // it died in between
    ::syscall(SYS_close_range, 3U, ~0U, 0U);  // a copy of a pool's socket would hide that the pool was closed
  }
  return pid;
}

void peer::pin_child(int cpu) try { pin(cpu, pid_); } catch (...) {
  end();
  throw;
}

void peer::sleep_until(const std::atomic<std::uint32_t>& word, std::uint32_t wanted) const {
  for (;;) {
    const std::uint32_t seen = word.load(std::memory_order_acquire);
    if (seen == wanted) return;
    if (!futex_wait(word, seen) && !alive() && word.load(std::memory_order_acquire) == seen) died();
  }
}

bool peer::alive() const noexcept {
  siginfo_t info{};
  return ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
}

void peer::died() { throw std::runtime_error("the second process of a limit died"); }

void peer::end() noexcept {
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

peer::~peer() { end(); }

}  // namespace limits

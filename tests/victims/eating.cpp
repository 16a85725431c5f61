// Victims that use more of something than they may. See victims.hpp.
#include <fcntl.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <thread>
#include <vector>

#include "tests/victims/victims.hpp"

namespace selvage::victims {
namespace {

[[noreturn]] void sleep_on() {
  for (;;) ::pause();
}

}  // namespace

void burn_processor_time(int threads, std::int64_t ns) {
  const auto burn = [ns] {
    for (timespec used{}; used.tv_sec * 1'000'000'000 + used.tv_nsec < ns;)
      ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  };
  std::vector<std::thread> others;
  for (int i = 1; i < threads; ++i) others.emplace_back(burn);
  burn();
  for (std::thread& each : others) each.join();
}

void burn_without_having_started() {
  const lane_of_worker own = own_lane();
  own.response.words->started.store(own.response.words->done.load());
  own.response.words->cpu_ns.store(~std::uint64_t{0});
  for (volatile bool on = true; on;) {
  }
}

int open_files_without_end() {
  for (int opened = 0;; ++opened) {
    if (::open("/dev/null", O_RDONLY | O_CLOEXEC) == -1)
      throw std::system_error(errno, std::generic_category(), "file " + std::to_string(opened + 1));
  }
}

void write_without_end(const std::string& path, bool ignores_the_signal) {
  if (ignores_the_signal) ::signal(SIGXFSZ, SIG_IGN);
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file == -1) throw std::system_error(errno, std::generic_category(), path);
  const std::vector<char> block(4096, 'x');
  for (;;) {
    if (::write(file, block.data(), block.size()) == -1)
      throw std::system_error(errno, std::generic_category(), "write");
  }
}

int start_threads_without_end(int most) {
  for (int started = 0; started < most; ++started) std::thread(&sleep_on).detach();
  return most;
}

int count_threads_until_refused(int most) {
  int started = 0;
  std::vector<std::thread> all;
  try {
    for (; started < most; ++started) all.emplace_back([] { ::usleep(1000); });
  } catch (const std::system_error&) {
  }
  for (std::thread& each : all) each.join();
  return started;
}

int fork_without_end(int most) {
  int forked = 0;
  for (; forked < most; ++forked) {
    const pid_t child = ::fork();
    if (child == -1) return forked;
    if (child != 0) continue;
    if (forked % 2 == 1) ::setsid();
    if (::fork() == 0) {  // each one makes another and leaves it alone
      ::alarm(60);
      sleep_on();
    }
    ::alarm(60);
    if (forked % 3 != 0) sleep_on();
    ::_exit(0);
  }
  return forked;
}

int map_shared_memory(std::uint64_t bytes) {
  void* const memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return errno;
  std::memset(memory, 1, bytes);
  return 0;
}

int map_downwards(std::uint64_t bytes) {
  void* const memory =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0);
  if (memory == MAP_FAILED) return errno;
  std::memset(memory, 1, bytes);
  return 0;
}

int fill_a_memory_file(std::uint64_t bytes) {
  const int file = ::memfd_create("victim", MFD_CLOEXEC);
  if (file == -1) return errno;
  return ::posix_fallocate(file, 0, static_cast<off_t>(bytes));
}

int make_a_shared_segment(std::uint64_t bytes) {
  const int id = ::shmget(IPC_PRIVATE, bytes, IPC_CREAT | 0600);
  if (id == -1) return errno;
  ::shmctl(id, IPC_RMID, nullptr);
  return 0;
}

std::uint64_t use_the_stack(std::uint64_t bytes) {
  volatile char frame[4096];
  frame[0] = static_cast<char>(bytes);
  if (bytes < sizeof frame) return static_cast<std::uint64_t>(frame[0] != 1);
  return use_the_stack(bytes - sizeof frame) + static_cast<std::uint64_t>(frame[0] == 1);
}

std::uint64_t use_a_larger_stack(std::uint64_t bytes) {
  rlimit bound{};
  ::getrlimit(RLIMIT_STACK, &bound);
  bound.rlim_cur = bound.rlim_max;
  ::setrlimit(RLIMIT_STACK, &bound);
  return use_the_stack(bytes);
}

int fill_and_protect(std::uint64_t bytes) {
  constexpr std::uint64_t piece = std::uint64_t{8} << 20U;
  for (std::uint64_t filled = 0; filled < bytes; filled += piece) {
    void* const memory = ::mmap(nullptr, piece, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return errno;
    std::memset(memory, 1, piece);
    if (::mprotect(memory, piece, PROT_READ) != 0) return errno;
  }
  ::usleep(1'000'000);
  return 0;
}

int fill_in_children(int children, std::uint64_t bytes_each) {
  for (int i = 0; i < children; ++i) {
    const pid_t child = ::fork();
    if (child == -1) throw std::system_error(errno, std::generic_category(), "fork");
    if (child != 0) continue;
    ::alarm(60);
    std::vector<char> memory(bytes_each, 1);
    sleep_on();
  }
  ::usleep(20'000'000);
  return children;
}

void burn_as_an_orphan() {
  const pid_t child = ::fork();
  if (child == -1) throw std::system_error(errno, std::generic_category(), "fork");
  if (child == 0) {
    if (::fork() != 0) ::_exit(0);
    ::alarm(60);
    for (timespec now{};;) ::clock_gettime(CLOCK_MONOTONIC, &now);
  }
  ::waitpid(child, nullptr, 0);
  ::usleep(20'000'000);
}

int leave_the_session() {
  const pid_t child = ::fork();
  if (child == -1) return errno;
  if (child == 0) ::_exit(::setsid() == -1 ? errno : 0);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WEXITSTATUS(status);
}

int fork_sleepers(int most) {
  for (int forked = 0; forked < most; ++forked) {
    const pid_t child = ::fork();
    if (child == -1) throw std::system_error(errno, std::generic_category(), "fork");
    if (child != 0) continue;
    ::alarm(60);
    sleep_on();
  }
  ::usleep(20'000'000);
  return most;
}

}  // namespace selvage::victims

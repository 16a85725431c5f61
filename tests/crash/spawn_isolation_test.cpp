// FAILURES row 18, the host's part: of the host, its memory, environment, descriptors and signals, nothing is in
// the processes of a pool with start::spawn but what the pool hands them.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <random>

#include "tests/support/child.hpp"
#include "tests/support/pool_fixture.hpp"

extern char** environ;

namespace selvage::test {
namespace {

using spawned_process = pool_survives;

// ---- seen before main(), so before Selvage had its say ------------------------------------------------------------

struct first_sight {
  std::vector<std::string> descriptors{};  ///< "7 -> pipe:[1]", but standard error
  int blocked_signals = 0;
  int ignored_signals = 0;
  unsigned variables = 0;
  bool leads_session = false;
  bool gains_privileges = true;

  [[nodiscard]] static first_sight now() {
    first_sight seen;
    std::error_code gone;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", gone)) {
      const auto target = std::filesystem::read_symlink(entry.path(), gone).string();
      const bool listing = target.starts_with("/proc/");
      if (!gone && !listing && entry.path().filename() != "2") {
        seen.descriptors.push_back(entry.path().filename().string() + " -> " + target);
      }
    }
    sigset_t blocked;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    for (int signal = 1; signal < NSIG; ++signal) {
      struct sigaction action {};
      if (::sigismember(&blocked, signal) == 1) ++seen.blocked_signals;
      if (::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN) ++seen.ignored_signals;
    }
    for (char** each = environ; each != nullptr && *each != nullptr; ++each) ++seen.variables;
    seen.leads_session = ::getsid(0) == ::getpid();
    seen.gains_privileges = ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0;
    return seen;
  }
};

const first_sight at_start = first_sight::now();

first_sight tell_first_sight() { return at_start; }

// What of `seen` is none of what every supervisor is handed.
std::vector<std::string> beyond_the_pools_own(const std::vector<std::string>& seen) {
  std::vector<std::string> rest;
  for (const std::string& each : seen) {
    const bool own = each.find("-> /dev/shm/selvage-") != each.npos || each.find("anon_inode:[eventfd]") != each.npos ||
                     each.find("-> socket:") != each.npos || each == "0 -> /dev/null" || each == "1 -> /dev/null";
    if (!own) rest.push_back(each);
  }
  return rest;
}

TEST_F(spawned_process, is_handed_the_pools_descriptors_and_no_other) {
  const int file = ::open("/etc/passwd", O_RDONLY);  // NOLINT: without O_CLOEXEC is what is tested
  ASSERT_GE(file, 0);
  for (const int number : {50, 51, 100, 950, 951}) {  // between the pool's own and the inherited one, and above
    ASSERT_EQ(::dup2(file, number), number);
  }
  ASSERT_EQ(::dup2(file, 900), 900);
  const auto tell = task("tell", &tell_first_sight);
  {
    pool pool(watched({.workers = 3, .start = start::spawn, .permissions = permissions::unsafe(), .inherit = {900}}),
              tell);
    const first_sight seen = pool.call(tell).get();
    EXPECT_THAT(beyond_the_pools_own(seen.descriptors), ::testing::ElementsAre("900 -> /etc/passwd"));
    // 0, 1, the segment twice, the bell, the socket, an eventfd a worker, 900
    EXPECT_THAT(seen.descriptors, ::testing::SizeIs(6 + 3 + 1));
  }
  for (const int number : {file, 50, 51, 100, 900, 950, 951}) ::close(number);
}

TEST_F(spawned_process, begins_as_a_program_that_was_just_started) {
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGUSR1, SIG_IGN);
  sigset_t blocked, before;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGUSR2);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
  ::setenv("SELVAGE_TEST_SECRET", "in the environment", 1);
  const auto tell = task("tell", &tell_first_sight);
  pool pool(watched({.workers = 1, .start = start::spawn, .permissions = permissions::unsafe()}), tell);
  const first_sight seen = pool.call(tell).get();
  EXPECT_EQ(seen.blocked_signals, 0);
  EXPECT_EQ(seen.ignored_signals, 0);
  EXPECT_EQ(seen.variables, 0U);
  EXPECT_TRUE(seen.leads_session);
  EXPECT_FALSE(seen.gains_privileges);
  // and the host is as it was
  ::sigset_t now;
  ::pthread_sigmask(SIG_SETMASK, &before, &now);
  EXPECT_EQ(::sigismember(&now, SIGUSR2), 1);
  EXPECT_EQ(::sigismember(&now, SIGUSR1), 0);
}

int descriptor_flags(int fd) { return ::fcntl(fd, F_GETFD); }

TEST_F(spawned_process, inherits_by_number_and_keeps_close_on_exec_as_it_was) {
  const auto flags = task("flags", &descriptor_flags);
  ASSERT_EQ(::dup3(STDERR_FILENO, 60, O_CLOEXEC), 60);
  ASSERT_EQ(::dup2(STDERR_FILENO, 61), 61);
  ASSERT_EQ(::dup2(STDERR_FILENO, 62), 62);
  {
    pool pool(watched({.workers = 1, .start = start::spawn, .permissions = permissions::unsafe(), .inherit = {60, 61}}),
              flags);
    EXPECT_EQ(pool.call(flags, 60).get(), FD_CLOEXEC);
    EXPECT_EQ(pool.call(flags, 61).get(), 0);
    EXPECT_EQ(pool.call(flags, 62).get(), -1);
  }
  for (const int fd : {60, 61, 62}) ::close(fd);
}

// ---- memory -------------------------------------------------------------------------------------------------------

constexpr unsigned char mask = 0x5A;

// Unmasks byte by byte, so that the search does not find itself.
__attribute__((no_sanitize("address", "thread"))) bool is_at(const volatile unsigned char* at,
                                                             const std::vector<unsigned char>& masked) {
  for (std::size_t i = 0; i < masked.size(); ++i) {
    if (static_cast<unsigned char>(at[i] ^ mask) != masked[i]) return false;
  }
  return true;
}

__attribute__((no_sanitize("address", "thread"))) unsigned times_in(const volatile unsigned char* first,
                                                                    std::size_t bytes,
                                                                    const std::vector<unsigned char>& masked) {
  unsigned found = 0;
  for (std::size_t i = 0; i + masked.size() <= bytes; ++i) found += is_at(first + i, masked) ? 1 : 0;
  return found;
}

// How often the unmasked bytes are in the memory of this process.
unsigned search_memory(const std::vector<unsigned char>& masked) {
  struct range {
    std::uint64_t first, end;
  };
  std::vector<range> ranges;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {  // "first-end rw-p offset device inode path"
    std::uint64_t first = 0, end = 0;
    const auto dash = std::from_chars(line.data(), line.data() + line.size(), first, 16).ptr;
    const auto space = std::from_chars(dash + 1, line.data() + line.size(), end, 16).ptr;
    const bool is_private_data = std::string_view(space, 5) == " rw-p";
    if (is_private_data && end - first < (std::uint64_t{1} << 30U)) ranges.push_back({first, end});
  }
  unsigned found = 0;
  for (const auto& [first, end] : ranges) {
    found += times_in(reinterpret_cast<const volatile unsigned char*>(first), end - first, masked);
  }
  return found;
}

TEST_F(spawned_process, has_nothing_of_the_hosts_memory) {
  allow_seconds(60);
  std::string secret(48, ' ');
  std::random_device random;
  for (char& each : secret) each = static_cast<char>('a' + random() % 26);
  std::vector<unsigned char> masked;
  for (const char each : secret) masked.push_back(static_cast<unsigned char>(static_cast<unsigned char>(each) ^ mask));
  ASSERT_GE(search_memory(masked), 1U);

  const auto search = task("search", &search_memory);
  {
    pool forked(watched({.workers = 1}), search);
    EXPECT_GE(forked.call(search, masked).get(), 1U) << "the search would not find it";
  }
  pool spawned(watched({.workers = 1, .start = start::spawn, .permissions = permissions::unsafe()}), search);
  EXPECT_EQ(spawned.call(search, masked).get(), 0U);
}

std::uint64_t resident_bytes() {
  std::uint64_t whole = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> whole >> resident;
  return resident * 4096;
}

TEST_F(spawned_process, stays_small_beside_a_large_host_and_is_recycled_at_ease) {
  constexpr std::size_t large = std::size_t{500} << 20U;
  void* const ballast =
      ::mmap(nullptr, large, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  ASSERT_NE(ballast, MAP_FAILED);
  ASSERT_GT(resident_bytes(), large);
  {
    const auto size = task("size", &resident_bytes);
    pool pool(
        watched({.workers = 2, .start = start::spawn, .permissions = permissions::unsafe(), .recycle = {.calls = 2}}),
        size);
    for (int i = 0; i < 100; ++i) EXPECT_LT(pool.call(size).get(), large / 2);
    EXPECT_GT(pool.stats().restarts.recycled_calls, 5U);
  }
  ::munmap(ballast, large);
}

}  // namespace
}  // namespace selvage::test

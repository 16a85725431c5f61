// stress-ng as the untrusted program: whatever it tries inside a strict worker, host, supervisor and sibling go on, and
// nothing is left behind. How each of its stressors ended is printed.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "base/kernel.hpp"
#include "tests/support/pool_fixture.hpp"
#include "tests/support/processes.hpp"

namespace selvage::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* stress_ng = "/usr/bin/stress-ng";

// Memory, virtual memory, processes, files, sockets, signals, seccomp, ptrace, keyrings, shared memory.
constexpr std::array stressors = {"brk",      "malloc", "stack",       "vm",           "mmap",      "mremap",
                                  "memfd",    "shm",    "shm-sysv",    "fork",         "vforkmany", "clone",
                                  "exec",     "hdd",    "dentry",      "sock",         "udp",       "sockfd",
                                  "kill",     "sigfd",  "signest",     "seccomp",      "ptrace",    "key",
                                  "sem-sysv", "msg",    "userfaultfd", "bad-altstack", "rlimit",    "io-uring"};

/// Returns: how it ended, and the last line that it said.
std::pair<int, std::string> stress(const std::string& stressor, const std::string& folder) {
  // It keeps its figures in shared memory, which a worker with a limit of memory is not given: so it is bounded here.
  const rlimit data = {256U << 20U, 256U << 20U};
  if (::setrlimit(RLIMIT_DATA, &data) != 0) return {-errno, "setrlimit"};
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return {-1, "no pipe"};
  posix_spawn_file_actions_t wiring;
  ::posix_spawn_file_actions_init(&wiring);
  ::posix_spawn_file_actions_adddup2(&wiring, ends[1], STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&wiring, ends[1], STDERR_FILENO);
  std::vector<std::string> arguments = {stress_ng, "--" + stressor, "1", "--timeout", "1", "--temp-path", folder};
  std::vector<char*> argv;
  for (std::string& each : arguments) argv.push_back(each.data());
  argv.push_back(nullptr);
  pid_t child = -1;
  const int error = ::posix_spawn(&child, stress_ng, &wiring, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&wiring);
  ::close(ends[1]);
  std::string said;
  std::array<char, 4096> text{};
  for (ssize_t got = 0; (got = ::read(ends[0], text.data(), text.size())) > 0;) {
    said.append(text.data(), static_cast<std::size_t>(got));
    if (said.size() > text.size()) said.erase(0, said.size() - text.size());
  }
  ::close(ends[0]);
  int status = -1;
  if (error == 0) ::waitpid(child, &status, 0);
  while (!said.empty() && said.back() == '\n') said.pop_back();
  return {error == 0 ? status : -error, said.substr(said.rfind('\n') + 1)};
}

std::string how_it_ended(const tl::expected<std::pair<int, std::string>, error>& outcome) {
  if (!outcome) return "its worker was ended: " + std::string(to_string(outcome.error().code()));
  const int status = outcome->first;
  if (status < 0) return std::string("not started: ") + ::strerrordesc_np(-status);
  if (WIFSIGNALED(status)) return std::string("SIG") + ::sigabbrev_np(WTERMSIG(status));
  constexpr int not_implemented = 4, no_resource = 3;
  switch (WEXITSTATUS(status)) {
    case 0:
      return "ran";
    case no_resource:
      return "found no resources";
    case not_implemented:
      return "found nothing to stress";
    default:
      return "gave up with " + std::to_string(WEXITSTATUS(status));
  }
}

TEST_F(pool_survives, stress_ng_in_a_strict_worker_disturbs_nobody) {
  if (!fs::exists(stress_ng)) GTEST_SKIP() << "there is no " << stress_ng;
  if (base::landlock_version() < base::landlock_with_signals) GTEST_SKIP() << "no Landlock with a signal scope";
  const fs::path folder = fs::temp_directory_path() / ("selvage-stress-" + std::to_string(::getpid()));
  fs::create_directory(folder);
  const auto stresses = selvage::task(
      "stress", &stress,
      {.timeout = 10s,

       .files = 200,
       .file_size = 16_MiB,
       .permissions = permissions::strict().run(stress_ng).read(folder.string()).write(folder.string()).threads(100)});
  pool pool(watched({.workers = 1, .start = start::spawn, .permissions = permissions::unsafe()}), add, stresses);
  const std::size_t processes = tests::descendants_of(::getpid()).size();
  for (const std::string stressor : stressors) {
    auto running = pool.call(stresses, stressor, folder.string());
    do {  // some end at once
      EXPECT_EQ(pool.call(add, 1, 2).get(), 3) << stressor;
      ::usleep(1000);
    } while (!running.wait_for(0s));
    const auto outcome = running.result();
    std::printf("  %-14s %-40s %s\n", stressor.c_str(), how_it_ended(outcome).c_str(),
                outcome ? outcome->second.substr(0, 100).c_str() : outcome.error().what());
    if (outcome) {
      EXPECT_EQ(pool.call(stresses, "no-such-stressor", folder.string()).get().first >> 8, 1) << stressor;
    }
    // What it has left behind counts among the threads of the next one.
    EXPECT_TRUE(holds_in_the_end([&] { return tests::descendants_of(::getpid()).size() <= processes; })) << stressor;
  }
  EXPECT_TRUE(holds_in_the_end([&] { return tests::descendants_of(::getpid()).size() <= processes; }));
  EXPECT_EQ(pool.stats().lanes[0].epoch, 1U) << "the sibling";
  fs::remove_all(folder);
}

}  // namespace
}  // namespace selvage::test

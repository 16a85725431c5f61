// Every system call of this platform that strict permissions refuse, made once by a sealed process: its kernel's word
// beside the filter's. FAILURES row 21
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/syscalls.hpp"
#include "worker/crash_recorder.hpp"
#include "worker/sandbox/filter.hpp"
#include "worker/sandbox/sandbox.hpp"

namespace selvage::worker::sandbox {
namespace {

/// Runs `body` in a sealed child. Returns: its wait status.
template <class Body>
int in_a_sealed_process(Body&& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    ::alarm(30);
    crash_recorder::install();
    try {
      seal({.program = build_filter({})});
    } catch (const std::exception& problem) {
      std::fprintf(stderr, "%s\n", problem.what());
      ::_exit(99);
    }
    body();
    ::_exit(0);
  }
  int status = 0;
  (void)base::retry_eintr([&] { return ::waitpid(child, &status, 0); });
  return status;
}

int expected_error(const syscall_rule* rule) {
  if (rule == nullptr || rule->then == outcome::absent) return ENOSYS;
  return rule->needs == grant::none ? EPERM : EACCES;
}

// uretprobe and uprobe of x86-64: kernels since 6.14 let them pass by every filter, and raise SIGILL where they are not
// called from a probe's own page.
bool passes_all_filters(int number) {
#if defined(__x86_64__)
  return number == 335 || number == 336;
#else
  (void)number;
  return false;
#endif
}

TEST(every_system_call, that_is_refused_is_refused_by_this_kernel_with_the_error_of_its_row) {
  int results[2];
  ASSERT_EQ(::pipe(results), 0);
  struct wrong {
    int number, error;
  };
  const int status = in_a_sealed_process([&] {
    for (int number = 0; number < end_of_numbers() + 20; ++number) {
      const syscall_rule* const rule = rule_of(number);
      const bool is_refused = rule == nullptr || rule->then == outcome::absent || rule->then == outcome::refused ||
                              rule->then == outcome::granted;
      if (!is_refused || passes_all_filters(number)) continue;
      errno = 0;
      const long result = ::syscall(number, 0, 0, 0, 0, 0, 0);
      if (result == -1 && errno == expected_error(rule)) continue;
      const wrong told{number, result == -1 ? errno : 0};
      if (::write(results[1], &told, sizeof told) != sizeof told) ::_exit(98);
    }
  });
  ::close(results[1]);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  for (wrong told{}; ::read(results[0], &told, sizeof told) == sizeof told;) {
    const syscall_rule* const rule = rule_of(told.number);
    ADD_FAILURE() << told.number << " " << (rule == nullptr ? "" : rule->name) << ": errno " << told.error;
  }
  ::close(results[0]);
}

TEST(every_system_call, that_no_honest_task_makes_ends_its_process) {
  unsigned tried = 0;
  for (int number = 0; number < end_of_numbers(); ++number) {
    const syscall_rule* const rule = rule_of(number);
    if (rule == nullptr || rule->then != outcome::forbidden) continue;
    ++tried;
    const int status = in_a_sealed_process([&] { ::syscall(number, 0, 0, 0, 0, 0, 0); });
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) << rule->name << " " << status;
    EXPECT_FALSE(WCOREDUMP(status)) << rule->name;
  }
  EXPECT_GT(tried, 30U);
}

#if defined(__x86_64__)
TEST(every_system_call, of_x32_ends_its_process) {
  constexpr int x32_bit = 0x40000000;
  for (const int number : {0, 1, 39, 512, 547}) {
    const int status = in_a_sealed_process([&] { ::syscall(x32_bit | number, 0, 0, 0, 0, 0, 0); });
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) << number << " " << status;
  }
}
#endif

}  // namespace
}  // namespace selvage::worker::sandbox

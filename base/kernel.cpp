// The questions of kernel.hpp.

#include "base/kernel.hpp"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

#include "base/syscalls.hpp"

namespace selvage::base {

int landlock_version() noexcept {
  constexpr unsigned create_version = 1;  // LANDLOCK_CREATE_RULESET_VERSION
  const long version = ::syscall(SYS_landlock_create_ruleset, nullptr, std::size_t{0}, create_version);
  return version < 0 ? 0 : static_cast<int>(version);
}

bool is_of_own_process(std::string_view path) noexcept {
  for (const std::string_view own : {"/proc/self", "/proc/thread-self"}) {
    if (path.starts_with(own) && (path.size() == own.size() || path[own.size()] == '/')) return true;
  }
  return false;
}

bool has_seccomp_traps() noexcept {
  const std::uint32_t action = SECCOMP_RET_TRAP;
  return ::syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0U, &action) == 0;
}

bool has_seccomp_listeners() noexcept {
  const pid_t child = ::fork();
  if (child == 0) {
    sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    const sock_fprog program = {.len = 1, .filter = &allow};
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    const long listener = ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, seccomp_listener_flags, &program);
    ::_exit(listener < 0 ? 1 : 0);
  }
  int status = -1;
  // Where the host reaps every child itself, the answer is lost: the worker will tell.
  if (child < 0 || retry_eintr([&] { return ::waitpid(child, &status, __WALL); }) != child) return child > 0;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace selvage::base

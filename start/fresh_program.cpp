// Boost.Process v2, and what its launcher leaves to us: see fresh_program.hpp.

#include "start/fresh_program.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
// Boost.Process v2 of 1.81 uses these three without including them.
#include <boost/optional.hpp>
#include <boost/type_traits/decay.hpp>
#include <boost/type_traits/is_convertible.hpp>
// clang-format keeps the order: the above come first.
#include <boost/process/v2/posix/vfork_launcher.hpp>
#include <boost/process/v2/process.hpp>
#include <boost/system/system_error.hpp>
#include <vector>

#include "base/signals_blocked.hpp"
#include "base/syscalls.hpp"

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

namespace selvage::launch {
namespace {

namespace process = boost::process::v2;
using process::error_code;

constexpr const char* this_executable = "/proc/self/exe";  // the same file even if its name now leads to another
const char* const empty_environment[] = {nullptr};

/// What happens between vfork and exec, as an initialiser of Boost.Process. It runs in the memory of the host:
/// system calls only.
class newborn {
 public:
  newborn(std::span<const int> handed, int null) : handed_(handed), null_(null) {}

  template <class Launcher, class Path, class Arguments>
  error_code on_setup(Launcher& launcher, const Path&, Arguments) {
    launcher.fd_whitelist.insert(launcher.fd_whitelist.end(), handed_.begin(), handed_.end());
    return {};
  }

  template <class Launcher, class Path, class Arguments>
  error_code on_exec_setup(Launcher&, const Path&, Arguments) const noexcept {
    const bool done = leave_session() && reset_signals() && refuse_privileges() && hand_over_descriptors();
    return done ? error_code() : error_code(errno, boost::system::system_category());
  }

  // The launcher would call exit(), and so run the host's exit handlers.
  template <class... Whatever>
  void on_exec_error(Whatever&&...) const noexcept {
    ::_exit(127);
  }

 private:
  // Ctrl-C reaches only the host.
  static bool leave_session() noexcept { return ::setsid() != -1; }

  // They were blocked by the host for this moment. An ignored signal would stay ignored through exec.
  static bool reset_signals() noexcept {
    struct sigaction standard = {};
    standard.sa_handler = SIG_DFL;
    for (int signal = 1; signal < NSIG; ++signal)
      ::sigaction(signal, &standard, nullptr);  // SIGKILL and libc's own refuse
    sigset_t none;
    ::sigemptyset(&none);
    return ::pthread_sigmask(SIG_SETMASK, &none, nullptr) == 0;
  }

  // A set-user-id program that has dropped its privileges does not get them back.
  static bool refuse_privileges() noexcept { return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0; }

  // The launcher's own closing leaves open what lies between two descriptors that are handed on (Boost 1.81).
  bool hand_over_descriptors() const noexcept {
    if (::syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC) != 0) return false;
    for (const int fd : handed_) {
      const int flags = ::fcntl(fd, F_GETFD);
      if (flags == -1 || ::fcntl(fd, F_SETFD, flags & ~FD_CLOEXEC) == -1) return false;
    }
    for (const int standard : {STDIN_FILENO, STDOUT_FILENO}) {
      const bool is_handed = std::find(handed_.begin(), handed_.end(), standard) != handed_.end();
      if (!is_handed && ::dup2(null_, standard) == -1) return false;
    }
    return true;
  }

  std::span<const int> handed_;
  int null_;
};

base::unique_fd open_null() {
  base::unique_fd opened(base::check(::open("/dev/null", O_RDWR | O_CLOEXEC), "/dev/null"));
  if (opened.get() > STDERR_FILENO) return opened;
  return base::unique_fd(
      base::check(::fcntl(opened.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1), "fcntl(F_DUPFD_CLOEXEC)"));
}

// Of a child that never came to be a program, or that we cannot watch. It may be reaped already, by a host that
// ignores SIGCHLD.
void end_and_reap(pid_t pid) noexcept {
  siginfo_t info;
  if (pid <= 0 || ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) != 0) return;
  ::kill(pid, SIGKILL);
  (void)base::retry_eintr([&] { return ::waitpid(pid, nullptr, 0); });
}

}  // namespace

fresh_program start_afresh(const char** arguments, std::span<const int> handed) {
  const base::unique_fd null = open_null();
  boost::asio::io_context context;  // nothing runs in it
  process::posix::vfork_launcher launcher;
  launcher.env = empty_environment;
  try {
    error_code problem;
    const base::signals_blocked quiet;
    auto started = launcher(context.get_executor(), problem, this_executable, arguments, newborn(handed, null.get()));
    if (problem) throw boost::system::system_error(problem);
    base::unique_fd pidfd = base::pidfd_open(started.id());
    (void)started.detach();  // the pool reaps it
    return {launcher.pid, std::move(pidfd)};
  } catch (const boost::system::system_error& problem) {
    end_and_reap(launcher.pid);
    base::throw_errno(problem.code().value(), "starting this executable afresh");
  }
}

}  // namespace selvage::launch

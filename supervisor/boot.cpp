// The checklist itself. Called by: run() and newborn workers. Never: forks, or undoes a step.

#include "supervisor/boot.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "base/process_name.hpp"
#include "base/syscalls.hpp"
#include "supervisor/supervisor.hpp"

namespace selvage::supervisor {
namespace {

void set_disposition(int signal, void (*handler)(int), int flags) noexcept {
  struct sigaction disposition {};
  disposition.sa_handler = handler;
  disposition.sa_flags = flags;
  // refused for SIGKILL, SIGSTOP and the C library's own: they are as they must be
  ::sigaction(signal, &disposition, nullptr);
}

// A host that started with standard descriptors closed may have got one of ours under their numbers.
void move_above_standard(base::unique_fd& fd) {
  if (fd && fd.get() <= STDERR_FILENO) {
    fd.reset(base::check(::fcntl(fd.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1), "fcntl(F_DUPFD_CLOEXEC)"));
  }
}

// Standard input becomes /dev/null, and numbers 0 to 2 are never left for something else to be opened under.
void settle_standard_descriptors(const std::vector<int>& inherited) {
  base::unique_fd null(
      base::check(base::retry_eintr([] { return ::open("/dev/null", O_RDWR | O_CLOEXEC); }), "/dev/null"));
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    const bool is_open = fd != null.get() && ::fcntl(fd, F_GETFD) != -1;
    const bool wanted = std::find(inherited.begin(), inherited.end(), fd) != inherited.end();
    if (is_open && (fd != STDIN_FILENO || wanted)) continue;
    if (fd == null.get()) {
      ::fcntl(fd, F_SETFD, 0);
    } else {
      base::check(::dup2(null.get(), fd), "dup2");
    }
  }
  if (null.get() <= STDERR_FILENO) (void)null.release();
}

void close_everything_else(const orders& given) noexcept {
  std::vector<int> kept = given.keep;
  kept.insert(kept.end(), given.worker_events.begin(), given.worker_events.end());
  kept.insert(kept.end(), {given.bell.get(), given.host_pidfd.get(), given.segment.read_write.get(),
                           given.segment.read_only.get()});
  std::sort(kept.begin(), kept.end());
  base::close_all_except(kept.data(), kept.size());
}

}  // namespace

void become_supervisor(orders& given) {
  // 1. a session of our own: Ctrl-C reaches only the host
  ::setsid();  // fails where we already lead one: as good

  // 2. signals as a fresh process has them, whatever the host did with them. SIGCHLD: watched through a descriptor, and
  //    not for children that merely stop. SIGPIPE: a write fails instead
  //    Ignored first: what reached us between the fork and setsid was meant for the host, and is pending
  for (int signal = 1; signal < NSIG; ++signal) {
    set_disposition(signal, SIG_IGN, 0);
    set_disposition(signal, SIG_DFL, 0);
  }
  set_disposition(SIGCHLD, SIG_DFL, SA_NOCLDSTOP);
  set_disposition(SIGPIPE, SIG_IGN, 0);
  sigset_t blocked;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGCHLD);
  ::pthread_sigmask(SIG_SETMASK, &blocked, nullptr);  // which cannot fail

  // 3. a name for ps
  ::prctl(PR_SET_NAME, base::process_name(given.name, "-super").c_str());

  // 4. descriptors: ours and those that workers inherit, no other
  for (base::unique_fd* fd : {&given.bell, &given.host_pidfd, &given.segment.read_write, &given.segment.read_only}) {
    move_above_standard(*fd);
  }
  settle_standard_descriptors(given.keep);
  close_everything_else(given);

  // 5. no core: it would hold the host's memory
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);

  // 6. nobody of our own user reads our memory or descriptors through /proc
  ::prctl(PR_SET_DUMPABLE, 0);

  // 7. orphaned descendants of workers become our children
  base::check(::prctl(PR_SET_CHILD_SUBREAPER, 1), "prctl(PR_SET_CHILD_SUBREAPER)");
}

void reset_signals_of_worker() noexcept {
  set_disposition(SIGCHLD, SIG_DFL, 0);
  set_disposition(SIGPIPE, SIG_DFL, 0);
  sigset_t none;
  ::sigemptyset(&none);
  ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace selvage::supervisor

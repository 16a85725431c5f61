// How a ward gets its next worker: announced to the host, forked, watched.

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.hpp"
#include "base/syscalls.hpp"
#include "supervisor/boot.hpp"
#include "supervisor/ward.hpp"

namespace selvage::supervisor {

void ward::bear_next() {
  announce();
  ring_host();
  handle(event::fork_due);
}

// Before the fork: the host opens the epoch while the worker is being born.
void ward::announce() noexcept {
  ++epoch_;
  shm::supervisor_words& words = place_.page.words;
  words.restarts.store(static_cast<std::uint32_t>(epoch_ - 1), std::memory_order_relaxed);  // relaxed: a figure
  words.pid.store(0, std::memory_order_relaxed);                                            // relaxed: a hint
  publish(shm::lane_state::starting);
  words.epoch.store(epoch_, std::memory_order_release);
}

void ward::fork_worker() {
  deadlines_.forget();
  sentence_ = {};
  ending_ = {};
  resident_bytes_ = 0;
  sample_due_ns_ = 0;
  const double chance = std::generate_canonical<double, 32>(shared_.chance);
  age_limit_ns_ = age_limit_ns(shared_.given.recycle, chance);
  born_ns_ = base::now_ns();
  due_ns_ = base::never_ns;
  usage_.begin(born_ns_);
  const int error = try_fork();
  if (error == 0) return;
  handle(event::fork_failed);
  conclude(make_verdict_of_failed_fork(epoch_, error), true);
}

// Returns 0 or the errno of what failed: no descriptors, no processes, no memory. All of them may pass.
int ward::try_fork() noexcept {
  if (shared_.given.capture_stderr) {
    const bool is_new = errors_.read_end() < 0;
    if (const int error = errors_.begin()) return error;
    if (is_new) {
      if (const int error = shared_.watcher.add(errors_.read_end(), source::errors, place_.lane)) {
        errors_.end();
        return error;
      }
    }
  }
  const pid_t pid = ::fork();
  if (pid == -1) return errno;
  if (pid == 0) become_worker();
  const int error = watch_over(pid);
  if (error != 0) {
    ::kill(pid, SIGKILL);
    base::retry_eintr([&] { return ::waitpid(pid, nullptr, 0); });
  }
  return error;
}

// In the child. What it inherited is the worker's boot to close; it must not return into the supervisor.
void ward::become_worker() noexcept {
  reset_signals_of_worker();
  try {
    shared_.given.enter_worker({.lane = place_.lane,
                                .epoch = epoch_,
                                .stderr_fd = errors_.write_end(),
                                .supervisor_pidfd = shared_.own_pidfd,
                                .guard_line = limits_.counts_threads() ? shared_.guard_line : -1});
  } catch (...) {
  }
  ::_exit(127);
}

int ward::watch_over(int pid) noexcept {
  try {
    pidfd_ = base::pidfd_open(pid);
    shared_.tree.add_worker(pid);
  } catch (const std::system_error& problem) {
    return problem.code().value();
  } catch (const std::bad_alloc&) {
    return ENOMEM;
  }
  if (const int error = shared_.watcher.add(pidfd_.get(), source::worker, place_.lane)) {
    pidfd_.reset();
    shared_.tree.remove_worker(pid);
    return error;
  }
  pid_ = pid;
  place_.page.words.pid.store(static_cast<std::uint32_t>(pid), std::memory_order_release);  // SYNC pid: it may be ready
  return 0;
}

}  // namespace selvage::supervisor

// The checklist between fork and the first task. Every step is a function above it; the list itself is boot(), at
// the end.
#include "worker/boot.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iostream>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/process_name.hpp"
#include "base/syscalls.hpp"
#include "worker/crash_recorder.hpp"
#include "worker/exit_hooks.hpp"
#include "worker/idle.hpp"
#include "worker/limit_setter.hpp"
#include "worker/thread_guard.hpp"

namespace selvage::worker {
namespace {

void start_session() {
  // EPERM: the process leads its group already, so it has nothing to leave.
  if (::setsid() < 0 && errno != EPERM) base::throw_errno(errno, "setsid");
}

void reset_signals() {
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &action, nullptr);  // SIGKILL and libc's own refuse
  sigset_t none;
  sigemptyset(&none);
  if (const int error = ::pthread_sigmask(SIG_SETMASK, &none, nullptr)) base::throw_errno(error, "pthread_sigmask");
}

// The buffers were copied by the fork with what the host had not written yet: it will write that itself.
void drop_inherited_output() {
  struct put_area : std::streambuf {
    static void drop(std::streambuf& buffer) {
      const auto written = (buffer.*&put_area::pptr)() - (buffer.*&put_area::pbase)();
      (buffer.*&put_area::pbump)(-static_cast<int>(written));
    }
  };
  ::__fpurge(stdin);
  ::__fpurge(stdout);
  ::__fpurge(stderr);
  for (std::ostream* stream : {&std::cout, &std::clog}) put_area::drop(*stream->rdbuf());
}

void wire_standard_streams(int stderr_fd, const std::vector<int>& inherit, bool console) {
  drop_inherited_output();
  const base::unique_fd nothing(base::check(::open("/dev/null", O_RDWR | O_CLOEXEC), "open /dev/null"));
  const auto inherits = [&](int fd) { return std::find(inherit.begin(), inherit.end(), fd) != inherit.end(); };
  if (!inherits(STDIN_FILENO)) base::check(::dup2(nothing.get(), STDIN_FILENO), "dup2 of standard input");
  if (!console && !inherits(STDOUT_FILENO))
    base::check(::dup2(nothing.get(), STDOUT_FILENO), "dup2 of standard output");
  if (stderr_fd >= 0) base::check(::dup2(stderr_fd, STDERR_FILENO), "dup2 of standard error");
}

void close_other_descriptors(const seat& place, const settings& given) {
  std::vector<int> kept = given.inherit;
  const std::vector<int> held = given.seal.held_descriptors();
  kept.insert(kept.end(), held.begin(), held.end());
  for (const int fd :
       {place.read_write_fd, place.read_only_fd, place.event_fd, place.supervisor_pidfd, place.guard_line})
    kept.push_back(fd);
  std::sort(kept.begin(), kept.end());
  base::close_all_except(kept.data(), kept.size());
}

// The strings live as long as the settings, which live as long as the process.
void replace_environment(const std::vector<std::string>& assignments) {
  ::clearenv();
  for (const std::string& each : assignments) {
    if (::putenv(const_cast<char*>(each.c_str())) != 0) base::throw_errno(ENOMEM, "putenv");
  }
}

void forbid_core_dumps() {
  const rlimit none = {0, 0};
  base::check(::setrlimit(RLIMIT_CORE, &none), "setrlimit(RLIMIT_CORE)");
}

void die_with_the_supervisor(int supervisor_pidfd) {
  base::check(::prctl(PR_SET_PDEATHSIG, SIGKILL), "prctl(PR_SET_PDEATHSIG)");
  pollfd supervisor = {.fd = supervisor_pidfd, .events = POLLIN, .revents = 0};
  const int ended = base::check(base::retry_eintr([&] { return ::poll(&supervisor, 1, 0); }), "poll of the supervisor");
  if (ended != 0) ::_exit(exit_orphaned);  // it died before the signal was asked for
}

// Returns: false where somebody is asked already by a filter that the program is under, and that is well.
bool count_threads(const seat& place, bool if_possible) {
  try {
    install_thread_guard(place);
    return true;
  } catch (const std::system_error& problem) {
    if (!if_possible || problem.code() != std::errc::device_or_resource_busy) throw;
    return false;
  }
}

void take_name(const std::string& pool, unsigned lane) {
  const std::string name = base::process_name(pool, "-w" + std::to_string(lane));
  base::check(::prctl(PR_SET_NAME, name.c_str()), "prctl(PR_SET_NAME)");
}

// The supervisor writes it down when its fork returns, which may be a moment after ours: whoever sees this worker ready
// is to find it.
void wait_for_own_number(const shm::supervisor_words& orders) {
  while (orders.pid.load(std::memory_order_acquire) == 0) ::sched_yield();  // SYNC pid
}

// Returns: false where the worker is to retire before its turn. Not through `parked`: until then the response
// region belongs to the previous epoch, whose last words the host may be reading.
bool wait_until_open(const booted& self, std::uint64_t epoch) {
  for (;;) {
    const shm::watched_word bell = self.lane.doorbell();
    const std::uint64_t open = self.lane.open_epoch();
    if (open == epoch) {
      wait_for_own_number(*self.window.orders);
      return true;
    }
    if (open > epoch) return false;  // it comes too late
    if (self.window.orders->retire.load(std::memory_order_relaxed) == epoch)
      return false;  // relaxed: no data goes with it
    shm::wait_on(*bell.word, bell.expected);
  }
}

}  // namespace

std::optional<booted> boot(const seat& place, const settings& given) {
  // ---- between fork and the first task, top to bottom -------------------------------------------------------------
  //  1. A session of its own: the terminal's signals reach the host only. Its share of the processors.
  start_session();
  if (given.time_slice.count() != 0) (void)base::set_time_slice(given.time_slice);  // a wish: it runs without as well
  //  2. Signals as in a fresh process.
  reset_signals();
  //  3. Input from nowhere unless it is inherited, output where it is granted, errors to the supervisor, nothing of the
  //     host's pending output.
  wire_standard_streams(place.stderr_fd, given.inherit, given.console);
  //  4. No descriptor but those that are needed and those that were granted.
  close_other_descriptors(place, given);
  base::unique_fd read_write(place.read_write_fd), read_only(place.read_only_fd), supervisor(place.supervisor_pidfd);
  base::unique_fd guard_line(place.guard_line);
  //  5. No environment but what is granted; no core dumps.
  if (given.environment) replace_environment(*given.environment);
  forbid_core_dumps();
  //  6. Never without a supervisor.
  die_with_the_supervisor(supervisor.get());
  supervisor.reset();
  //  7. A name for ps and top.
  take_name(given.name, place.lane);
  //  8. No privileges through exec.
  base::check(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(PR_SET_NO_NEW_PRIVS)");
  //  9. Its own lane and nothing else, for good.
  const lane_window window = map_lane(place.shape, place.lane, read_write.get(), read_only.get());
  read_write.reset();
  read_only.reset();
  seal(window);
  // 10. Its end is written down, and is its own.
  install_exit_hooks();
  crash_recorder::install();
  // 11. What no worker may do; and whom to ask before another thread is started.
  bpf::install(baseline_filter(window.addresses, given.limits.memory_bytes != 0));
  shm::measures in_force;
  if (guard_line) in_force.threads_counted = count_threads(place, given.limits.threads_if_possible);
  guard_line.reset();
  // 12. What this one may not do.
  const limit_setter limits(given.limits);
  if (given.seal.strict()) in_force.landlock = static_cast<std::uint8_t>(sandbox::seal(given.seal));
  for (const int fd : given.seal.held_descriptors()) ::close(fd);  // whose owner is never destroyed here
  // 13. What it may use. Behind the seal, which opens files.
  limits.set();
  // 14. The user's initializer.
  if (given.initializer) given.initializer();
  // 15. The host hands over the lane.
  booted self = {window, shm::worker_lane(window.request, window.response)};
  if (!wait_until_open(self, place.epoch)) return std::nullopt;
  self.lane.open(place.epoch, in_force);
  crash_recorder::open(self.lane.crash(), place.epoch);
  sandbox::open_refusals(self.lane.refusal(), place.epoch);
  return self;
}

}  // namespace selvage::worker

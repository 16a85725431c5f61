// See output_pipes.hpp.

#include "output_pipes.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <system_error>

namespace selvage::cli {
namespace {

constexpr std::size_t read_at_once = 65'536;

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

}  // namespace

child_watch::child_watch() {
  sigset_t watched;
  ::sigemptyset(&watched);
  ::sigaddset(&watched, SIGCHLD);
  signals_.reset(::signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_) fail("signalfd");
  ::sigaddset(&watched, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &watched, &before_);
}

// A SIGPIPE that came is told by its errno, and must not end the worker now.
child_watch::~child_watch() {
  sigset_t broken_pipe;
  ::sigemptyset(&broken_pipe);
  ::sigaddset(&broken_pipe, SIGPIPE);
  const timespec no_time{};
  if (::sigismember(&before_, SIGPIPE) == 0) ::sigtimedwait(&broken_pipe, nullptr, &no_time);
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

void child_watch::forget_signals() const {
  signalfd_siginfo about;
  (void)!::read(signals_.get(), &about, sizeof about);
}

output_pipes::output_pipes() {
  for (one_pipe& each : pipes_) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) fail("pipe2");
    each.ours.reset(ends[0]);
    each.theirs.reset(ends[1]);
    ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  }
}

void output_pipes::connect(job_process& job) const {
  job.connect(STDOUT_FILENO, pipes_[output].theirs.get());
  job.connect(STDERR_FILENO, pipes_[errors].theirs.get());
}

void output_pipes::read_to_the_end_of(job_process& job, const sink& to) {
  for (one_pipe& each : pipes_) each.theirs.reset();
  for (bool ended = false; !ended;) {
    std::array<pollfd, 3> waits{pollfd{pipes_[output].ours.get(), POLLIN, 0},
                                pollfd{pipes_[errors].ours.get(), POLLIN, 0}, pollfd{watch_.get(), POLLIN, 0}};
    if (::poll(waits.data(), waits.size(), -1) < 0) continue;
    if (waits[2].revents != 0) {
      watch_.forget_signals();
      ended = job.has_ended(WNOHANG);
    }
    for (const std::size_t stream : {output, errors}) {
      // What is there when it has ended is all: somebody who has got away may write for ever.
      for (std::size_t left = ended ? waiting_in(stream) : 1; left > 0;) left -= std::min(left, read_some(stream, to));
    }
  }
}

std::size_t output_pipes::waiting_in(std::size_t stream) const {
  int bytes = 0;
  if (!pipes_[stream].ours || ::ioctl(pipes_[stream].ours.get(), FIONREAD, &bytes) != 0) return 0;
  return static_cast<std::size_t>(bytes);
}

// Returns: the bytes that were read; more than there can be where there is nothing to wait for.
std::size_t output_pipes::read_some(std::size_t stream, const sink& to) {
  owned_fd& from = pipes_[stream].ours;
  std::array<char, read_at_once> part;
  const ssize_t got = from ? ::read(from.get(), part.data(), part.size()) : 0;
  if (got == 0) from.reset();
  if (got <= 0) return read_at_once;
  to(stream, {part.data(), static_cast<std::size_t>(got)});
  return static_cast<std::size_t>(got);
}

}  // namespace selvage::cli

// See line_relay.hpp.

#include "line_relay.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "printer.hpp"

namespace selvage::cli {
namespace {

constexpr std::size_t longest_line = std::size_t{1} << 20U;
constexpr std::size_t read_at_once = 65'536;

/// A lock of this process, which is gone with it: that of a worker that was killed in the middle holds up nobody.
void lock(int file, short how) {
  struct flock all {};
  all.l_type = how;
  all.l_whence = SEEK_SET;
  while (::fcntl(file, F_SETLKW, &all) == -1 && errno == EINTR) {
  }
}

}  // namespace

line_relay::line_relay(int lock, std::optional<std::string> tag, std::uint64_t keeps)
    : lock_(lock), tag_(std::move(tag)), keeps_(keeps) {
  sigset_t watched;
  ::sigemptyset(&watched);
  ::sigaddset(&watched, SIGCHLD);
  ::sigaddset(&watched, SIGPIPE);  // an errno instead
  ::pthread_sigmask(SIG_BLOCK, &watched, &before_);
  ::sigdelset(&watched, SIGPIPE);
  child_signal_ = ::signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
  if (child_signal_ == -1) throw std::system_error(errno, std::generic_category(), "signalfd");
  streams_[0].to = STDOUT_FILENO;
  streams_[1].to = STDERR_FILENO;
  for (stream& each : streams_) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe2");
    each.ours = ends[0];
    each.theirs = ends[1];
    ::fcntl(each.ours, F_SETFL, O_NONBLOCK);
  }
}

line_relay::~line_relay() {
  for (stream& each : streams_) {
    for (const int fd : {each.ours, each.theirs})
      if (fd >= 0) ::close(fd);
  }
  if (child_signal_ >= 0) ::close(child_signal_);
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

void line_relay::pass_on_until_the_end_of(pid_t child, int& status, rusage& used) {
  for (stream& each : streams_) {
    ::close(each.theirs);
    each.theirs = -1;
  }
  for (bool ended = false; !ended;) {
    std::array<pollfd, 3> waits{pollfd{streams_[0].ours, POLLIN, 0}, pollfd{streams_[1].ours, POLLIN, 0},
                                pollfd{child_signal_, POLLIN, 0}};
    if (::poll(waits.data(), waits.size(), -1) < 0) continue;
    if (waits[2].revents != 0) {
      signalfd_siginfo about;
      (void)!::read(child_signal_, &about, sizeof about);
      ended = ::wait4(child, &status, WNOHANG, &used) == child;
    }
    for (stream& each : streams_) {
      while (read_some(each) && ended) {  // what is there when it has ended is all
      }
    }
  }
  for (stream& each : streams_) finish(each);
}

// Returns: there may be more.
bool line_relay::read_some(stream& from) {
  if (from.ours < 0) return false;
  std::array<char, read_at_once> part;
  const ssize_t got = ::read(from.ours, part.data(), part.size());
  if (got < 0) return errno == EINTR;
  if (got == 0) {
    ::close(from.ours);
    from.ours = -1;
    return false;
  }
  pass(from, {part.data(), static_cast<std::size_t>(got)});
  return true;
}

void line_relay::pass(stream& from, std::string_view text) {
  from.kept.size += text.size();
  if (from.kept.size <= keeps_) {
    from.kept.text += text;
  } else {
    from.kept.text.clear();  // all of it, or none
  }
  from.line += text;
  const std::size_t end = from.line.rfind('\n');
  if (end != from.line.npos) {
    write_lines(from.to, std::string_view(from.line).substr(0, end + 1));
    from.line.erase(0, end + 1);
  } else if (from.line.size() > longest_line) {
    write_lines(from.to, from.line);
    from.line.clear();
  }
}

// The next line that somebody writes begins a new one.
void line_relay::finish(stream& from) {
  if (from.line.empty()) return;
  from.line += '\n';
  write_lines(from.to, from.line);
}

void line_relay::write_lines(int to, std::string_view lines) {
  std::string tagged;
  if (tag_) lines = tagged = line_tagger(*tag_).pass(lines);
  if (problem_ != 0) return;
  lock(lock_, F_WRLCK);
  problem_ = try_to_write_all(to, lines);
  lock(lock_, F_UNLCK);
}

}  // namespace selvage::cli

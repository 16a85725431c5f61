#pragma once
// Forked children for tests: one that is killed and reaped with its scope, and one that hands back what it has to say.
// Called by tests only. Never: leaves a child behind; a child dies with the test that forked it.

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>
#include <utility>

#include "base/clock.hpp"

namespace selvage::tests {

/// A child process that runs `body`, which returns its exit status.
class child {
 public:
  template <class Body>
  explicit child(Body&& body) {
    std::fflush(nullptr);
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(99);  // it was killed before it was asked for
    int status = 99;
    try {
      status = std::forward<Body>(body)();
    } catch (const std::exception& problem) {
      std::fprintf(stderr, "child: %s\n", problem.what());
    }
    std::fflush(nullptr);
    ::_exit(status);
  }
  child(const child&) = delete;
  child& operator=(const child&) = delete;
  ~child() {
    if (pid_ <= 0 || reaped_) return;
    ::kill(pid_, SIGKILL);
    (void)wait();
  }

  [[nodiscard]] pid_t pid() const { return pid_; }
  /// Blocks: until the child has ended; for 40 s at most, then it is killed. Returns: its wait status.
  int wait() {
    int status = -1;
    pid_t ended = 0;
    for (const std::uint64_t limit = base::now_ns() + patience_ns; ended != pid_; ::usleep(100)) {
      ended = ::waitpid(pid_, &status, WNOHANG);
      if (ended == -1 && errno != EINTR) break;  // somebody else reaped it
      if (ended == 0 && base::now_ns() > limit) ::kill(pid_, SIGKILL);
    }
    reaped_ = true;
    return status;
  }
  /// The exit status; 1000 + the signal where one ended it.
  int exit_status() {
    const int status = wait();
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
  }

 private:
  static constexpr std::uint64_t patience_ns = 40'000'000'000;

  pid_t pid_ = -1;
  bool reaped_ = false;
};

/// Runs `body` in a child and returns the string that it returned, or how the child ended where that was not by
/// returning.
template <class Body>
std::string said_by_child(Body&& body) {
  int ends[2];
  if (::pipe(ends) != 0) return "pipe failed";
  std::string said;
  {
    child speaker([&] {
      ::close(ends[0]);
      std::string words;
      try {
        words = body();
      } catch (const std::exception& problem) {
        words = std::string("threw: ") + problem.what();
      }
      return ::write(ends[1], words.data(), words.size()) == static_cast<ssize_t>(words.size()) ? 0 : 98;
    });
    ::close(ends[1]);
    char part[512];
    for (ssize_t got = 0; (got = ::read(ends[0], part, sizeof part)) != 0;) {
      if (got > 0) said.append(part, static_cast<std::size_t>(got));
    }
    ::close(ends[0]);
    if (const int status = speaker.exit_status(); status != 0)
      said += "[child ended with " + std::to_string(status) + "]";
  }
  return said;
}

}  // namespace selvage::tests

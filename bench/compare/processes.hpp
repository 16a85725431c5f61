#pragma once
// What peers that talk through descriptors stand on: children, pipes, and messages that are read and written whole.
// Called by: channels.cpp, fan_out.cpp, faults.cpp, skew.cpp.

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <stdexcept>
#include <system_error>

namespace compare {

template <class T>
T check(T result, const char* what) {
  if (result < 0) throw std::system_error(errno, std::generic_category(), what);
  return result;
}

/// As fork(2). The child ends with the thread that made it.
[[nodiscard]] inline pid_t fork_bound() {
  const pid_t parent = ::getpid();
  const pid_t pid = check(::fork(), "fork");
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
  }
  return pid;
}

/// The end to read from and the end to write to. The kernel's default holds 64 KiB; for longer messages it is made as
/// large as anybody may make one, where it can be.
[[nodiscard]] inline std::array<int, 2> open_pipe(std::size_t message_size) {
  constexpr std::size_t default_size = std::size_t{64} << 10U;
  constexpr std::size_t largest = std::size_t{1} << 20U;
  std::array<int, 2> ends{};
  check(::pipe2(ends.data(), O_CLOEXEC), "pipe2");
  if (message_size > default_size) ::fcntl(ends[0], F_SETPIPE_SZ, static_cast<int>(std::min(message_size, largest)));
  return ends;
}

/// Blocks. Throws std::runtime_error where the other side closes before all of it is there.
inline void read_whole(int fd, std::byte* into, std::size_t size) {
  for (std::size_t done = 0; done < size;) {
    const ssize_t got = ::read(fd, into + done, size - done);
    if (got == 0) throw std::runtime_error("the other side is gone");
    if (got < 0 && errno == EINTR) continue;
    done += static_cast<std::size_t>(check(got, "read"));
  }
}

/// Blocks, also where the descriptor does not.
inline void write_whole(int fd, const std::byte* from, std::size_t size) {
  for (std::size_t done = 0; done < size;) {
    const ssize_t sent = ::write(fd, from + done, size - done);
    if (sent < 0 && errno == EAGAIN) {
      pollfd room{.fd = fd, .events = POLLOUT, .revents = 0};
      ::poll(&room, 1, -1);
    } else if (sent >= 0 || errno != EINTR) {
      done += static_cast<std::size_t>(check(sent, "write"));
    }
  }
}

}  // namespace compare

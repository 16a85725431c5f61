// posix_spawn and three pipes.

#include "run_program.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace {

constexpr std::size_t most_output = std::size_t{1} << 20;
constexpr std::size_t most_errors = 4096;

struct pipe_ends {
  int read_end = -1, write_end = -1;
  pipe_ends() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) == 0) read_end = ends[0], write_end = ends[1];
  }
  pipe_ends(const pipe_ends&) = delete;
  pipe_ends& operator=(const pipe_ends&) = delete;
  ~pipe_ends() {
    close_one(read_end);
    close_one(write_end);
  }
  static void close_one(int& fd) {
    if (fd != -1) ::close(fd);
    fd = -1;
  }
};

pid_t start(const std::vector<std::string>& arguments, const pipe_ends& in, const pipe_ends& out, const pipe_ends& err,
            int& error) {
  posix_spawn_file_actions_t wiring;
  ::posix_spawn_file_actions_init(&wiring);
  ::posix_spawn_file_actions_adddup2(&wiring, in.read_end, STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&wiring, out.write_end, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&wiring, err.write_end, STDERR_FILENO);
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (const std::string& each : arguments) argv.push_back(const_cast<char*>(each.c_str()));
  argv.push_back(nullptr);
  pid_t child = -1;
  error = ::posix_spawn(&child, argv[0], &wiring, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&wiring);
  return child;
}

// Returns: false once there will be no more.
bool take(int from, std::string& into, std::size_t most, bool& too_much) {
  std::array<char, 65536> text;
  const ssize_t got = ::read(from, text.data(), text.size());
  if (got <= 0) return got == -1 && errno == EINTR;
  const auto room = most - std::min(most, into.size());
  into.append(text.data(), std::min(room, static_cast<std::size_t>(got)));
  if (static_cast<std::size_t>(got) > room) too_much = true;
  return true;
}

// Feeds and listens until the program has closed both of its outputs.
void talk(pid_t child, pipe_ends& in, const pipe_ends& out, const pipe_ends& err, const std::string& input,
          run_outcome& it) {
  ::fcntl(in.write_end, F_SETFL, O_NONBLOCK);
  std::size_t fed = 0;
  bool hears = true, complains = true, ignored = false;
  while (hears || complains) {
    if (fed == input.size()) pipe_ends::close_one(in.write_end);
    std::array<pollfd, 3> waits = {pollfd{.fd = in.write_end, .events = POLLOUT, .revents = 0},
                                   pollfd{.fd = hears ? out.read_end : -1, .events = POLLIN, .revents = 0},
                                   pollfd{.fd = complains ? err.read_end : -1, .events = POLLIN, .revents = 0}};
    if (::poll(waits.data(), waits.size(), -1) == -1) continue;
    if (waits[0].revents != 0) {
      const ssize_t took = ::write(in.write_end, input.data() + fed, input.size() - fed);
      if (took == -1 && errno != EAGAIN && errno != EINTR) fed = input.size();  // it does not read
      if (took > 0) fed += static_cast<std::size_t>(took);
    }
    if (waits[1].revents != 0) hears = take(out.read_end, it.output, most_output, it.too_much);
    if (waits[2].revents != 0) complains = take(err.read_end, it.errors, most_errors, ignored);
    if (it.too_much) ::kill(child, SIGKILL);
  }
}

}  // namespace

run_outcome run_program(const std::vector<std::string>& arguments, const std::string& input) {
  ::signal(SIGPIPE, SIG_IGN);
  run_outcome it;
  pipe_ends in, out, err;
  const pid_t child = start(arguments, in, out, err, it.start_error);
  for (int* const theirs : {&in.read_end, &out.write_end, &err.write_end}) pipe_ends::close_one(*theirs);
  if (it.start_error != 0) return it;
  talk(child, in, out, err, input, it);
  int status = 0;
  rusage used{};
  while (::wait4(child, &status, 0, &used) == -1 && errno == EINTR) {
  }
  if (WIFSIGNALED(status)) it.signal = WTERMSIG(status);
  if (WIFEXITED(status)) it.exit_status = WEXITSTATUS(status);
  it.peak_bytes = static_cast<std::uint64_t>(used.ru_maxrss) * 1024;
  it.cpu_us = static_cast<std::uint64_t>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1'000'000U +
              static_cast<std::uint64_t>(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
  return it;
}

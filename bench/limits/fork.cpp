// Bare forks, waited for. See fork.hpp.

#include "fork.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "process.hpp"

namespace limits {
namespace {

template <std::size_t Children>
void fork_all_and_wait() {
  std::array<int, Children> pids{};
  int error = 0;
  for (int& pid : pids) {
    pid = ::fork();
    if (pid == 0) ::_exit(0);
    if (pid < 0) error = errno;
  }
  for (const int pid : pids) {
    while (pid > 0 && ::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  if (error != 0) throw std::system_error(error, std::generic_category(), "fork");
}

template <std::size_t Children>
std::vector<double> time_forks(std::size_t count) {
  std::vector<double> samples(count);
  for (double& each : samples) {
    const std::uint64_t begin = now_ns();
    fork_all_and_wait<Children>();
    each = static_cast<double>(now_ns() - begin) / 1e3;
  }
  return samples;
}

}  // namespace

std::vector<double> fork_exit_wait(std::size_t count) { return time_forks<1>(count); }

std::vector<double> five_forks(std::size_t count) { return time_forks<5>(count); }

}  // namespace limits

// See job_process.hpp.

#include "job_process.hpp"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace selvage::cli {

job_process::job_process() {
  ::posix_spawn_file_actions_init(&files_);
  ::posix_spawnattr_init(&attributes_);
  sigset_t all;
  ::sigfillset(&all);
  ::posix_spawnattr_setsigdefault(&attributes_, &all);
  sigset_t none;
  ::sigemptyset(&none);
  ::posix_spawnattr_setsigmask(&attributes_, &none);
  ::posix_spawnattr_setpgroup(&attributes_, 0);
  ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
}

job_process::~job_process() {
  ::posix_spawn_file_actions_destroy(&files_);
  ::posix_spawnattr_destroy(&attributes_);
}

void job_process::connect(int stream, int to) { ::posix_spawn_file_actions_adddup2(&files_, to, stream); }

int job_process::start(const std::vector<std::string>& command) {
  if (std::ranges::any_of(command, [](const auto& word) { return word.find('\0') != word.npos; })) return EINVAL;
  std::vector<char*> arguments;
  arguments.reserve(command.size() + 1);
  for (const std::string& each : command) arguments.push_back(const_cast<char*>(each.c_str()));
  arguments.push_back(nullptr);
  return ::posix_spawnp(&child_, arguments[0], &files_, &attributes_, arguments.data(), environ);
}

bool job_process::has_ended(int how) {
  siginfo_t who{};
  while (::waitid(P_PID, static_cast<id_t>(child_), &who, WEXITED | WNOWAIT | how) == -1 && errno == EINTR) {
  }
  if (who.si_pid != child_) return false;
  ::kill(-child_, SIGKILL);  // not yet reaped, so the number is its own
  while (::wait4(child_, &status_, 0, &used_) == -1 && errno == EINTR) {
  }
  return true;
}

}  // namespace selvage::cli

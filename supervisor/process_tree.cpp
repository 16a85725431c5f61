#include "supervisor/process_tree.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <utility>

#include "base/clock.hpp"
#include "base/syscalls.hpp"

namespace selvage::supervisor {
namespace {

constexpr std::uint64_t sweep_ns = 2'000'000;

// The fourth field of /proc/[pid]/stat; the second, the name, may contain anything, so counting begins at its last ')'.
int parent_of(int pid) noexcept {
  std::array<char, 32> path;
  std::snprintf(path.data(), path.size(), "/proc/%d/stat", pid);
  const base::unique_fd file(::open(path.data(), O_RDONLY | O_CLOEXEC));
  if (!file) return -1;
  std::array<char, 256> text{};
  if (base::retry_eintr([&] { return ::read(file.get(), text.data(), text.size() - 1); }) <= 0) return -1;
  const char* name_end = std::strrchr(text.data(), ')');
  int parent = -1;
  char state = 0;
  return name_end != nullptr && std::sscanf(name_end + 1, " %c %d", &state, &parent) == 2 ? parent : -1;
}

}  // namespace

process_tree::process_tree() {
  std::array<char, 64> path;
  std::snprintf(path.data(), path.size(), "/proc/self/task/%d/children", ::gettid());
  children_.reset(::open(path.data(), O_RDONLY | O_CLOEXEC));
}

void process_tree::add_worker(int pid) { workers_.insert(std::lower_bound(workers_.begin(), workers_.end(), pid), pid); }

void process_tree::remove_worker(int pid) noexcept {
  const auto at = std::lower_bound(workers_.begin(), workers_.end(), pid);
  if (at != workers_.end() && *at == pid) workers_.erase(at);
}

bool process_tree::is_worker(int pid) const noexcept { return std::binary_search(workers_.begin(), workers_.end(), pid); }

bool process_tree::sweep() {
  const std::uint64_t deadline = base::now_ns() + sweep_ns;
  for (;;) {
    kill_strays();
    if (strays_.empty()) return true;
    if (!reap_until(deadline)) return false;
  }
}

// Every stray is a child of ours until we reap it, so its pid cannot name another process.
void process_tree::kill_strays() {
  list_children();
  strays_.clear();
  for (const int pid : found_) {
    if (is_worker(pid)) continue;
    if (base::retry_eintr([&] { return ::waitpid(pid, nullptr, WNOHANG | __WALL); }) == pid) continue;
    if (is_worker(::getsid(pid))) continue;
    ::kill(pid, SIGKILL);
    strays_.push_back(pid);
  }
}

bool process_tree::reap_until(std::uint64_t deadline_ns) noexcept {
  sigset_t child;
  ::sigemptyset(&child);
  ::sigaddset(&child, SIGCHLD);
  for (;;) {
    std::erase_if(strays_, [](int pid) {
      const int reaped = base::retry_eintr([&] { return ::waitpid(pid, nullptr, WNOHANG | __WALL); });
      return reaped == pid || (reaped == -1 && errno == ECHILD);
    });
    const std::uint64_t now = base::now_ns();
    if (strays_.empty()) return now < deadline_ns;
    if (now >= deadline_ns) return false;
    // SIGCHLD is blocked: this consumes it, or returns at once where one is pending
    const timespec left{0, static_cast<long>(deadline_ns - now)};
    ::sigtimedwait(&child, nullptr, &left);
  }
}

void process_tree::reap() noexcept {
  for (;;) {
    siginfo_t who{};
    const int result = base::retry_eintr([&] { return ::waitid(P_ALL, 0, &who, WEXITED | WNOHANG | WNOWAIT | __WALL); });
    // A worker is reaped by its ward, which sweeps up after it: what is behind it in the queue is reaped then.
    if (result != 0 || who.si_pid == 0 || is_worker(who.si_pid)) return;
    ::waitpid(who.si_pid, nullptr, WNOHANG | __WALL);
  }
}

void process_tree::list_children() {
  found_.clear();
  if (!children_) return list_children_by_parent();
  std::array<char, 4096> text;
  int pid = 0;
  for (off_t at = 0;;) {
    const ssize_t count = base::retry_eintr([&] { return ::pread(children_.get(), text.data(), text.size(), at); });
    if (count <= 0) return;
    for (const char c : std::span(text.data(), static_cast<std::size_t>(count))) {
      if (c >= '0' && c <= '9') {
        pid = 10 * pid + (c - '0');
      } else if (pid != 0) {
        found_.push_back(std::exchange(pid, 0));
      }
    }
    at += count;
  }
}

void process_tree::list_children_by_parent() {
  DIR* folder = ::opendir("/proc");
  if (folder == nullptr) return;
  const int self = ::getpid();
  while (const dirent* entry = ::readdir(folder)) {
    const int pid = std::atoi(entry->d_name);
    if (pid > 0 && parent_of(pid) == self) found_.push_back(pid);
  }
  ::closedir(folder);
}

}  // namespace selvage::supervisor

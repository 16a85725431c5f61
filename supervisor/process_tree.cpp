// Kills and reaps strays, generation by generation. Called by: ward.cpp, supervisor.cpp. Never: waits for a worker.

#include "supervisor/process_tree.hpp"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "base/clock.hpp"
#include "base/syscalls.hpp"

namespace selvage::supervisor {
namespace {

constexpr std::uint64_t sweep_ns = 2'000'000;
// More than any tree that is allowed has; a task that makes one faster than it is walked is refused.
constexpr std::size_t most_processes = 65'536;

}  // namespace

void process_tree::add_worker(int pid) {
  mourned_.reserve(workers_.size() + 1);
  workers_.insert(std::lower_bound(workers_.begin(), workers_.end(), pid), pid);
}

// At most one for each worker, whose place was reserved with it.
void process_tree::mourn_worker(int pid) noexcept {
  if (is_worker(pid) && !is_mourned(pid)) mourned_.push_back(pid);
}

void process_tree::remove_worker(int pid) noexcept {
  std::erase(mourned_, pid);
  const auto at = std::lower_bound(workers_.begin(), workers_.end(), pid);
  if (at != workers_.end() && *at == pid) workers_.erase(at);
}

bool process_tree::is_worker(int pid) const noexcept {
  return std::binary_search(workers_.begin(), workers_.end(), pid);
}

bool process_tree::is_mourned(int pid) const noexcept {
  return std::find(mourned_.begin(), mourned_.end(), pid) != mourned_.end();
}

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
  children_.list(found_);
  strays_.clear();
  for (const int pid : found_) {
    if (is_worker(pid)) continue;
    if (base::retry_eintr([&] { return ::waitpid(pid, nullptr, WNOHANG | __WALL); }) == pid) continue;
    if (const int session = ::getsid(pid); is_worker(session) && !is_mourned(session)) continue;
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

void process_tree::list_family_of(int worker, const base::limits& limits, std::vector<int>& family) const {
  family.clear();
  if (limits.may_fork) children_.list(family);
  std::erase_if(family, [&](int pid) {
    const int session = ::getsid(pid);
    const bool is_own = session == worker || (limits.may_leave_session && !is_worker(session));
    return is_worker(pid) || !is_own;
  });
  family.insert(family.begin(), worker);
  if (!limits.may_fork) return;
  const std::size_t enough = limits.threads_seen == 0 ? most_processes : limits.threads_seen + 2;
  for (std::size_t i = 0; i < family.size() && family.size() < enough; ++i) append_children_of(family[i], family);
}

void process_tree::reap() noexcept {
  for (;;) {
    siginfo_t who{};
    const int result =
        base::retry_eintr([&] { return ::waitid(P_ALL, 0, &who, WEXITED | WNOHANG | WNOWAIT | __WALL); });
    // A worker is reaped by its ward, which sweeps up after it: what is behind it in the queue is reaped then.
    if (result != 0 || who.si_pid == 0 || is_worker(who.si_pid)) return;
    ::waitpid(who.si_pid, nullptr, WNOHANG | __WALL);
  }
}

}  // namespace selvage::supervisor

// start::fork: the supervisor is a fork of the host, so that any callable is simply there.

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstring>

#include "base/signals_blocked.hpp"
#include "base/syscalls.hpp"
#include "start/launch.hpp"

namespace selvage::launch {
namespace {

bool is_pool_helper(int threads, const char* id) noexcept {
  char path[sizeof(dirent::d_name) + 8];
  char name[16] = {};
  std::snprintf(path, sizeof path, "%s/comm", id);
  const base::unique_fd file(::openat(threads, path, O_RDONLY | O_CLOEXEC));
  if (!file || base::retry_eintr([&] { return ::read(file.get(), name, sizeof name - 1); }) <= 0) return false;
  return std::strncmp(name, detail::helper_thread_name, std::strlen(detail::helper_thread_name)) == 0;
}

// Helper threads of other pools hold nothing that a task could want.
bool program_has_threads() noexcept {
  DIR* const threads = ::opendir("/proc/self/task");
  if (threads == nullptr) return false;
  std::size_t count = 0;
  while (const dirent* const entry = ::readdir(threads)) {  // NOLINT(concurrency-mt-unsafe): nobody else has this DIR
    if (entry->d_name[0] != '.' && !is_pool_helper(::dirfd(threads), entry->d_name)) ++count;
  }
  ::closedir(threads);
  return count > 1;
}

// A fork has only the thread that forked: a lock that another one held stays locked in every worker.
void warn_once_about_threads() {
  static std::atomic<bool> warned{false};
  if (warned.load(std::memory_order_relaxed) || !program_has_threads()) return;  // relaxed, both: only once matters
  if (warned.exchange(true, std::memory_order_relaxed)) return;
  std::fputs(
      "selvage: this program already has threads when it builds a pool with start::fork: tasks must not use locks that "
      "those "
      "threads may hold. Build the pool first, or use start::spawn.\n",
      stderr);
}

crew crew_of(const detail::launch_request& request, std::vector<worker_kind> kinds) {
  crew it{.options = request.options,
          .kinds = std::move(kinds),
          .shape = request.shape,
          .read_write_fd = request.segment.read_write.get(),
          .read_only_fd = request.segment.read_only.get(),
          .event_fds = request.event_fds,
          .payload_cap = request.payload_cap,
          .tasks = {}};
  it.tasks.reserve(request.tasks.size());
  for (const auto& task : request.tasks) it.tasks.push_back({task->name, task->closure, task->run});
  return it;
}

// In the child. Its copies of the host's descriptors become its own; nothing of the host is ever destroyed here.
[[noreturn]] void begin_supervisor(const detail::launch_request& request, std::vector<worker_kind> kinds,
                                   base::unique_fd host_pidfd, int host_pid) {
  const auto* const workers = new crew(crew_of(request, std::move(kinds)));  // lives as long as the process
  become_supervisor(*workers, {.segment = {base::unique_fd(request.segment.read_write.release()),
                                           base::unique_fd(request.segment.read_only.release())},
                               .bell = base::unique_fd(request.bell),
                               .host_pidfd = std::move(host_pidfd),
                               .host_pid = host_pid});
}

}  // namespace

detail::launched by_fork(const detail::launch_request& request) {
  warn_once_about_threads();
  std::vector<worker_kind> kinds = kinds_of(request.classes.classes, request.options.on_violation);
  const int host_pid = ::getpid();
  base::unique_fd host_pidfd = base::pidfd_open(host_pid);
  const base::signals_blocked quiet;
  const pid_t child = base::check(::fork(), "fork of the pool's supervisor");
  if (child == 0) begin_supervisor(request, std::move(kinds), std::move(host_pidfd), host_pid);
  try {
    return {.supervisor_pid = child, .supervisor_pidfd = base::pidfd_open(child)};
  } catch (const std::system_error&) {  // no descriptor is left: nobody would ever tell it to end
    ::kill(child, SIGKILL);
    (void)base::retry_eintr([&] { return ::waitpid(child, nullptr, 0); });
    throw;
  }
}

}  // namespace selvage::launch

// The count and the answer of thread_census.hpp.

#include "supervisor/thread_census.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "base/clock.hpp"
#include "base/syscalls.hpp"
#include "supervisor/child_list.hpp"

namespace selvage::supervisor {
namespace {

// More than any tree that is allowed has; a task that makes one faster than it is walked is refused.
constexpr std::size_t most_processes = 65'536;

// Zero, and longer than this header's structures: the kernel's may have grown.
union notification {
  std::byte room[512];
  seccomp_notif request;
};
union told_answer {
  std::byte room[512];
  seccomp_notif_resp response;
};

void append_children(int pid, std::vector<int>& to) {
  std::array<char, 64> path;
  std::snprintf(path.data(), path.size(), "/proc/%d/task", pid);
  DIR* const threads = ::opendir(path.data());
  if (threads == nullptr) return;
  while (const dirent* const entry = ::readdir(threads)) {  // NOLINT(concurrency-mt-unsafe): one thread
    if (const int thread = std::atoi(entry->d_name); thread > 0) append_children_of_thread(pid, thread, to);
  }
  ::closedir(threads);
}

std::vector<int> tree_of(int pid) {
  std::vector<int> found = {pid};
  for (std::size_t i = 0; i < found.size() && found.size() < most_processes; ++i) append_children(found[i], found);
  return found;
}

// What is used here of /proc/[pid]/stat; zeros where the process is gone.
struct process_stat {
  std::uint64_t waited_for_ticks = 0;  // of its dead children, user and system
  std::uint64_t threads = 0;
};
process_stat stat_of(int pid) noexcept {
  std::array<char, 32> path;
  std::snprintf(path.data(), path.size(), "/proc/%d/stat", pid);
  const base::unique_fd file(base::retry_eintr([&] { return ::open(path.data(), O_RDONLY | O_CLOEXEC); }));
  std::array<char, 512> text{};
  if (!file || base::retry_eintr([&] { return ::read(file.get(), text.data(), text.size() - 1); }) <= 0) return {};
  // Counted from field 3; the second, the name, may contain anything, so counting begins at its last ')'.
  constexpr int cutime = 16, cstime = 17, num_threads = 20;
  process_stat it;
  const char* at = std::strrchr(text.data(), ')');
  for (int field = 3; at != nullptr && field <= num_threads; ++field) {
    at = std::strchr(at + 1, ' ');
    if (at == nullptr) break;
    const std::uint64_t value = std::strtoull(at + 1, nullptr, 10);
    if (field == cutime || field == cstime) it.waited_for_ticks += value;
    if (field == num_threads) it.threads = value;
  }
  return it;
}

unsigned threads_of_worker(int worker, const base::limits& limits, const process_tree& tree) {
  if (!limits.may_fork) return threads_of(worker);
  unsigned count = threads_of_tree(worker);
  for (const int stray : tree.strays_of(worker)) count += threads_of_tree(stray);
  return count;
}

}  // namespace

unsigned threads_of(int pid) noexcept { return static_cast<unsigned>(stat_of(pid).threads); }

unsigned threads_of_tree(int pid) {
  unsigned count = 0;
  for (const int each : tree_of(pid)) count += threads_of(each);
  return count;
}

std::uint64_t processor_time_of_tree_ns(int pid) {
  static const std::uint64_t tick_ns = 1'000'000'000U / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  std::uint64_t used = 0;
  for (const int each : tree_of(pid)) used += base::processor_time_ns(each) + stat_of(each).waited_for_ticks * tick_ns;
  return used;
}

listener_state take_thread_request(int listener, thread_request& request) noexcept {
  pollfd asked{.fd = listener, .events = POLLIN, .revents = 0};
  if (base::retry_eintr([&] { return ::poll(&asked, 1, 0); }) <= 0) return listener_state::quiet;
  if ((asked.revents & POLLIN) == 0) return listener_state::closed;
  notification asked_for{};
  if (base::retry_eintr([&] { return ::ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked_for); }) != 0)
    return errno == ENOENT ? listener_state::quiet : listener_state::closed;
  request = {.listener = listener, .id = asked_for.request.id};
  return listener_state::asked;
}

bool may_have_one_more(int worker, const base::limits& limits, const process_tree& tree) {
  const unsigned count = threads_of_worker(worker, limits, tree);
  return count == 0 || count - 1 < limits.threads;  // one of them runs the tasks
}

void answer(const thread_request& request, bool granted) noexcept {
  told_answer told{};
  told.response = {.id = request.id,
                   .val = 0,
                   .error = granted ? 0 : -EAGAIN,
                   .flags = granted ? std::uint32_t{SECCOMP_USER_NOTIF_FLAG_CONTINUE} : 0};
  // Fails where whoever asked is gone.
  (void)base::retry_eintr([&] { return ::ioctl(request.listener, SECCOMP_IOCTL_NOTIF_SEND, &told); });
}

}  // namespace selvage::supervisor

// The count and the answer of thread_census.hpp.

#include "supervisor/thread_census.hpp"

#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <vector>

#include "base/syscalls.hpp"
#include "supervisor/process_stat.hpp"

namespace selvage::supervisor {
namespace {

// Zero, and longer than this header's structures: the kernel's may have grown.
union notification {
  std::byte room[512];
  seccomp_notif request;
};
union told_answer {
  std::byte room[512];
  seccomp_notif_resp response;
};

}  // namespace

unsigned threads_of(int pid) noexcept { return static_cast<unsigned>(stat_of(pid).threads); }

unsigned threads_of_family(int worker, const base::limits& limits, const process_tree& tree) {
  std::vector<int> family;
  tree.list_family_of(worker, limits, family);
  unsigned count = 0;
  for (const int each : family) count += threads_of(each);
  return count;
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
  const unsigned count = threads_of_family(worker, limits, tree);
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

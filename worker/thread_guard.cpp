// The filter of thread_guard.hpp.

#include "worker/thread_guard.hpp"

#include <sys/syscall.h>

#include "shm/guard_line.hpp"
#include "worker/bpf.hpp"

namespace selvage::worker {
namespace {

// Calls of another architecture are the baseline's to kill.
std::vector<sock_filter> guard_filter() {
  bpf::assembler code;
  const auto ask = code.label();
  code.fetch(bpf::syscall_number);
#if defined(SYS_fork)
  code.jump_if(bpf::compare::equal, SYS_fork, ask).jump_if(bpf::compare::equal, SYS_vfork, ask);
#endif
  code.jump_if(bpf::compare::equal, SYS_clone, ask).jump_if(bpf::compare::equal, SYS_clone3, ask);
  code.finish(SECCOMP_RET_ALLOW);
  code.place(ask).finish(SECCOMP_RET_USER_NOTIF);
  return code.assemble();
}

}  // namespace

void install_thread_guard(const seat& place) {
  const base::unique_fd listener = bpf::install_with_listener(guard_filter());
  shm::send_guard(place.guard_line, {.epoch = place.epoch, .lane = place.lane, .reserved = 0}, listener.get());
}

}  // namespace selvage::worker

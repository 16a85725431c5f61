// The order of sandbox.hpp: what opens files first, the filter last.

#include "worker/sandbox/sandbox.hpp"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>

#include "base/syscalls.hpp"
#include "worker/bpf.hpp"
#include "worker/sandbox/filter.hpp"

namespace selvage::worker::sandbox {
namespace {

// Linux 6.3. Source: prctl(2)
constexpr int pr_set_mdwe = 65;
constexpr unsigned long mdwe_refuse_exec_gain = 1;

// Root without capabilities is a user whose number is 0. Those of the bounding set can be dropped by root only, and do
// not matter without: no_new_privs is set, and nothing is executed.
void drop_capabilities() {
  __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  const __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};
  base::check(::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), "prctl(PR_CAP_AMBIENT)");
  base::check(::syscall(SYS_capset, &header, none), "capset");
}

// Refused under every plan, and of no effect where it is not.
void try_a_refused_call(bool is_told) {
  errno = 0;
  const std::uint64_t wanted = refusals() + (is_told ? 1 : 0);
  if (::syscall(SYS_inotify_init1, 0) != -1 || errno != EPERM || refusals() != wanted)
    throw std::runtime_error("the worker's seal does not hold: a call that must be refused was not");
}

}  // namespace

std::vector<int> plan::held_descriptors() const {
  std::vector<int> all;
  for (const granted_place& place : files_and_ports.places)
    if (place.held) all.push_back(place.held->get());
  return all;
}

int seal(const plan& given) {
  // 1. Nobody of the same user reads this memory or its descriptors through /proc.
  base::check(::prctl(PR_SET_DUMPABLE, 0), "prctl(PR_SET_DUMPABLE)");
  // 2. Memory that was writable never becomes executable. Older kernels: the filter's word alone.
  if (!given.jit && ::prctl(pr_set_mdwe, mdwe_refuse_exec_gain, 0, 0, 0) != 0 && errno != EINVAL)
    base::throw_errno(errno, "prctl(PR_SET_MDWE)");
  // 3. Files and ports.
  const int landlock = confine(given.files_and_ports);
  // 4. No privilege of root: real-time priority, the files of others, raw devices. After 3: it opens files.
  drop_capabilities();
  // 5. Who tells what was refused, before anything is.
  install_violation_handler();
  // 6. Everything else.
  bpf::install(filter_for(given.program, ::getpid()));
  // 7. It holds.
  try_a_refused_call(given.traps);
  set_violation(given.then);
  return landlock;
}

}  // namespace selvage::worker::sandbox

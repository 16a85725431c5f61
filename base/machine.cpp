// Tries what can only be tried, in children that end at once.

#include <selvage/machine.hpp>

#include <linux/membarrier.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <fstream>
#include <string_view>

#include "base/kernel.hpp"
#include "base/syscalls.hpp"

namespace selvage {
namespace {

constexpr int pr_get_mdwe = 66;

constexpr unsigned oldest_major = 6, oldest_minor = 1;

bool at_least_6_1(std::string_view release) {
  unsigned major = 0, minor = 0;
  const char* const end = release.data() + release.size();
  const char* const dot = std::from_chars(release.data(), end, major).ptr;
  if (dot != end) (void)std::from_chars(dot + 1, end, minor);
  return major > oldest_major || (major == oldest_major && minor >= oldest_minor);
}

// The call is there: whatever it says to nonsense, it is not "no such call".
bool exists(long number, long first, long second = 0, long third = 0) {
  return ::syscall(number, first, second, third, 0, 0) != -1 || errno != ENOSYS;
}

bool can_unshare(int namespaces) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(::unshare(namespaces) == 0 ? 0 : 1);
  int status = 0;
  if (child == -1 || base::retry_eintr([&] { return ::waitpid(child, &status, 0); }) == -1) return false;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// Lines of /proc/self/cgroup: "4:memory:/some/group" for version 1, "0::/some/group" for version 2.
struct own_groups {
  bool version_1 = false, version_2 = false;
  std::string memory_1, unified;
};

own_groups groups_of_this_process() {
  own_groups it;
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == line.npos || second == line.npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::string group = line.substr(second + 1);
    if (controllers == ",,") {
      it.version_2 = true;
      it.unified = group;
    } else {
      it.version_1 = true;
      if (controllers.find(",memory,") != controllers.npos) it.memory_1 = group;
    }
  }
  return it;
}

// Where groups of the kind are mounted, e.g. /sys/fs/cgroup/memory; empty where they are not.
std::string mounted_at(std::string_view type, std::string_view option) {
  std::ifstream file("/proc/self/mounts");
  for (std::string device, at, kind, options, rest;
       file >> device >> at >> kind >> options && std::getline(file, rest);) {
    if (kind == type && ("," + options + ",").find("," + std::string(option) + ",") != std::string::npos) return at;
  }
  return {};
}

bool lists_memory(const std::string& path) {
  std::ifstream file(path);
  for (std::string word; file >> word;) {
    if (word == "memory") return true;
  }
  return false;
}

bool may_make_memory_groups(const own_groups& own) {
  if (const std::string at = mounted_at("cgroup2", "rw");
      !at.empty() && lists_memory(at + own.unified + "/cgroup.controllers"))
    return ::access((at + own.unified).c_str(), W_OK) == 0;
  const std::string at = mounted_at("cgroup", "memory");
  // In a container the path of the host may be written there, and the group be the root of what is mounted.
  return !at.empty() && (::access((at + own.memory_1).c_str(), W_OK) == 0 || ::access(at.c_str(), W_OK) == 0);
}

}  // namespace

machine look_at_this_machine() {
  machine it;
  utsname name = {};
  if (::uname(&name) == 0) it.kernel = static_cast<const char*>(name.release);
  it.new_enough = at_least_6_1(it.kernel);
  it.landlock = base::landlock_version();
  it.seccomp_filters = ::prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0;
  it.seccomp_traps = base::has_seccomp_traps();
  it.seccomp_listeners = base::has_seccomp_listeners();
  it.user_namespaces = can_unshare(CLONE_NEWUSER);
  it.pid_namespaces = can_unshare(CLONE_NEWPID) || can_unshare(CLONE_NEWUSER | CLONE_NEWPID);
  const own_groups own = groups_of_this_process();
  it.groups = own.version_1 && own.version_2 ? machine::control_groups::both
              : own.version_2                ? machine::control_groups::version_2
              : own.version_1                ? machine::control_groups::version_1
                                             : machine::control_groups::none;
  it.memory_group_delegated = may_make_memory_groups(own);
  struct statvfs space = {};
  if (::statvfs("/dev/shm", &space) == 0) {
    it.shared_memory = {static_cast<std::uint64_t>(space.f_blocks) * space.f_frsize};
    it.shared_memory_free = {static_cast<std::uint64_t>(space.f_bavail) * space.f_frsize};
  }
  it.mseal = exists(base::sys_mseal, 0, 0, ~0L);  // flags that it does not know
  it.mdwe = ::prctl(pr_get_mdwe, 0, 0, 0, 0) >= 0;
  it.pidfd = exists(SYS_pidfd_open, -1);
  it.futex_waitv = exists(SYS_futex_waitv, 0);
  const long commands = ::syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0U, 0);
  it.membarrier = commands >= 0 && (commands & MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED) != 0;
  return it;
}

}  // namespace selvage

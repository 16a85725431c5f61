// setrlimit and what it is counted from: see limit_setter.hpp.

#include "worker/limit_setter.hpp"

#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>

#include "base/clock.hpp"
#include "base/proc_fields.hpp"
#include "base/syscalls.hpp"

namespace selvage::worker {
namespace {

// Private writable memory, what RLIMIT_DATA counts. Source: getrlimit(2)
std::uint64_t data_bytes() {
  const auto bytes = base::proc_bytes("/proc/self/status", {"VmData:"});
  if (!bytes) base::throw_errno(ENODATA, "VmData in /proc/self/status");
  return *bytes;
}

// The lowest bound under which that many descriptors can be opened beside those that are.
rlim_t bound_of_descriptors(std::uint32_t more) {
  rlim_t bound = 0;
  for (std::uint32_t free = 0; free < more; ++bound) {
    if (::fcntl(static_cast<int>(bound), F_GETFD) == -1) ++free;
  }
  return bound;
}

rlim_t soft_limit(__rlimit_resource which) {
  rlimit limit = {};
  base::check(::getrlimit(which, &limit), "getrlimit");
  return limit.rlim_cur;
}

void lower(__rlimit_resource which, rlim_t value, const char* what) {
  rlimit limit = {};
  base::check(::getrlimit(which, &limit), what);
  limit.rlim_cur = limit.rlim_max = std::min(limit.rlim_max, value);
  base::check(::setrlimit(which, &limit), what);
}

}  // namespace

limit_setter::limit_setter(const base::limits& given)
    : given_(given), data_bytes_(given.memory_bytes == 0 ? 0 : data_bytes()) {}

void limit_setter::set() const {
  if (given_.memory_bytes != 0)
    lower(RLIMIT_DATA, base::saturating_add(data_bytes_, given_.memory_bytes), "setrlimit(RLIMIT_DATA)");
  if (given_.file_bytes != 0) lower(RLIMIT_FSIZE, given_.file_bytes, "setrlimit(RLIMIT_FSIZE)");
  if (given_.stack_bytes != 0) {
    lower(RLIMIT_STACK, given_.stack_bytes, "setrlimit(RLIMIT_STACK)");
  } else if (given_.memory_bytes != 0) {
    // RLIMIT_DATA does not count it, and a task could raise the bound that there is.
    const rlim_t bound = soft_limit(RLIMIT_STACK);
    lower(RLIMIT_STACK, bound == RLIM_INFINITY ? given_.memory_bytes : bound, "setrlimit(RLIMIT_STACK)");
  }
  if (given_.files != 0) lower(RLIMIT_NOFILE, bound_of_descriptors(given_.files), "setrlimit(RLIMIT_NOFILE)");
}

}  // namespace selvage::worker

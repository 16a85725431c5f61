// The questions of kernel.hpp.

#include "base/kernel.hpp"

#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

namespace selvage::base {

int landlock_version() noexcept {
  constexpr unsigned create_version = 1;  // LANDLOCK_CREATE_RULESET_VERSION
  const long version = ::syscall(SYS_landlock_create_ruleset, nullptr, std::size_t{0}, create_version);
  return version < 0 ? 0 : static_cast<int>(version);
}

bool has_seccomp_traps() noexcept {
  const std::uint32_t action = SECCOMP_RET_TRAP;
  return ::syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0U, &action) == 0;
}

}  // namespace selvage::base

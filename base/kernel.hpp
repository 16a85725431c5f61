#pragma once
// What this kernel can enforce, asked of it. Never cached: the answers depend on the process.

#include <string_view>

namespace selvage::base {

/// mseal(2), Linux 6.10: newer than the headers of Debian 12; the same number on both architectures.
inline constexpr long sys_mseal = 462;

/// The version of Landlock's interface, 0 where the kernel has none or it is switched off. Source: landlock(7)
[[nodiscard]] int landlock_version() noexcept;

/// A path that means something else in every process: below /proc/self or /proc/thread-self.
[[nodiscard]] bool is_of_own_process(std::string_view path) noexcept;

inline constexpr int landlock_with_truncate = 3;  ///< before, a file that may not be written could be cut
inline constexpr int landlock_with_ports = 4;
inline constexpr int landlock_with_signals = 6;  ///< and abstract Unix sockets

/// seccomp filters can be installed, and can hand refused calls to a handler. Source: seccomp(2)
[[nodiscard]] bool has_seccomp_traps() noexcept;

/// For a filter that asks: once it is being looked at, a call waits for its answer whatever signal comes (Linux 5.19).
inline constexpr unsigned seccomp_listener_flags = 1U << 3U | 1U << 5U;  // NEW_LISTENER, WAIT_KILLABLE_RECV

/// A filter can ask another process before it lets a call through: the kernel has it, and no filter that this process
/// is under asks somebody already. Cost: a fork. Source: seccomp_unotify(2)
[[nodiscard]] bool has_seccomp_listeners() noexcept;

}  // namespace selvage::base

// See process_stat.hpp.

#include "supervisor/process_stat.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/syscalls.hpp"

namespace selvage::supervisor {

std::string_view read_proc(int pid, const char* file, proc_text& text) noexcept {
  std::array<char, 48> path;
  std::snprintf(path.data(), path.size(), "/proc/%d/%s", pid, file);
  const base::unique_fd open_file(base::retry_eintr([&] { return ::open(path.data(), O_RDONLY | O_CLOEXEC); }));
  ssize_t length = -1;
  if (open_file) length = base::retry_eintr([&] { return ::read(open_file.get(), text.data(), text.size() - 1); });
  text[length > 0 ? static_cast<std::size_t>(length) : 0] = 0;
  return {text.data(), length > 0 ? static_cast<std::size_t>(length) : 0};
}

process_stat stat_of(int pid) noexcept {
  constexpr std::uint64_t forked_no_exec = 0x40;  // PF_FORKNOEXEC of the kernel
  constexpr int ppid = 4, flags = 9, cutime = 16, cstime = 17, num_threads = 20, starttime = 22;
  process_stat it;
  proc_text text;
  if (read_proc(pid, "stat", text).empty()) return it;
  // Counted from field 3; the second, the name, may contain anything, so counting begins at its last ')'.
  const char* at = std::strrchr(text.data(), ')');
  for (int field = 3; at != nullptr && field <= starttime; ++field) {
    at = std::strchr(at + 1, ' ');
    if (at == nullptr) break;
    const std::uint64_t value = std::strtoull(at + 1, nullptr, 10);
    if (field == ppid) it.parent = static_cast<int>(value);
    if (field == flags) it.has_not_executed = (value & forked_no_exec) != 0;
    if (field == cutime || field == cstime) it.waited_for_ticks += value;
    if (field == num_threads) it.threads = value;
    if (field == starttime) it.started_ns = value * tick_ns();
  }
  return it;
}

std::uint64_t tick_ns() noexcept {
  static const std::uint64_t length = 1'000'000'000U / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  return length;
}

}  // namespace selvage::supervisor

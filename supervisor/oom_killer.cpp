// Reads the count of oom_killer.hpp.

#include "supervisor/oom_killer.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>

#include "base/syscalls.hpp"

namespace selvage::supervisor {

std::optional<std::uint64_t> oom_kills_in(std::string_view vmstat) noexcept {
  constexpr std::string_view name = "oom_kill ";
  std::size_t at = 0;
  while (vmstat.substr(at, name.size()) != name) {
    at = vmstat.find('\n', at);
    if (at == vmstat.npos) return std::nullopt;
    ++at;
  }
  std::uint64_t count = 0;
  const char* const digits = vmstat.data() + at + name.size();
  const auto [end, wrong] = std::from_chars(digits, vmstat.data() + vmstat.size(), count);
  return wrong == std::errc() ? std::optional(count) : std::nullopt;
}

std::uint64_t oom_kills() noexcept {
  std::array<char, 16'384> text;  // 5 KB on Linux 6.18
  const base::unique_fd file(base::retry_eintr([] { return ::open("/proc/vmstat", O_RDONLY | O_CLOEXEC); }));
  std::size_t length = 0;
  while (file && length < text.size()) {
    const ssize_t count =
        base::retry_eintr([&] { return ::read(file.get(), text.data() + length, text.size() - length); });
    if (count <= 0) break;
    length += static_cast<std::size_t>(count);
  }
  return oom_kills_in({text.data(), length}).value_or(0);
}

bool oom_killer_was_at_work(std::uint64_t& seen) noexcept {
  const std::uint64_t before = seen;
  seen = oom_kills();
  return seen > before;
}

}  // namespace selvage::supervisor

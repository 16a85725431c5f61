// See limit_text.hpp.

#include "pool/limit_text.hpp"

#include <fmt/format.h>

#include <cerrno>

namespace selvage::host {

std::optional<limit_named> limit_behind(int system_error, const base::limits& limits, bool threads_refused) {
  if (threads_refused && system_error == EAGAIN) {
    return limit_named{
        errc::thread_limit,
        fmt::format("its worker may have {} threads beside its own (permissions::threads)", limits.threads)};
  }
  if (limits.files != 0 && system_error == EMFILE) {
    return limit_named{errc::file_limit,
                       fmt::format("it may have {} descriptors open at once (pool_options::files)", limits.files)};
  }
  if (limits.file_bytes != 0 && system_error == EFBIG) return limit_named{errc::file_limit, file_size_text(limits)};
  return std::nullopt;
}

std::string text_of_ns(std::uint64_t ns) {
  constexpr std::uint64_t seconds_from = 10'000'000'000;
  return ns < seconds_from ? fmt::format("{:g} ms", static_cast<double>(ns) / 1e6)
                           : fmt::format("{:.1f} s", static_cast<double>(ns) / 1e9);
}

std::string file_size_text(const base::limits& limits) {
  return limits.file_bytes == 0
             ? "the program's own limit of a file's size (RLIMIT_FSIZE)"
             : fmt::format("a file may be written up to {} bytes (pool_options::file_size)", limits.file_bytes);
}

}  // namespace selvage::host

// See refusal_text.hpp.

#include "pool/refusal_text.hpp"

#include <fmt/format.h>
#include <seccomp.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

namespace selvage::host {
namespace {

constexpr std::size_t arguments_shown = 3;

struct freed {
  void operator()(char* text) const noexcept { std::free(text); }
};

std::string name_of(int number) {
  const std::unique_ptr<char, freed> name(seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number));
  return name ? std::string(name.get()) : fmt::format("system call {}", number);
}

// Small numbers, of either sign, as they would be written; the rest are addresses and masks.
std::string argument_text(std::uint64_t value) {
  constexpr std::int64_t small = 4096;
  const auto as_int = static_cast<std::int64_t>(static_cast<std::int32_t>(value));
  const bool is_int = value <= 0xffffffff || static_cast<std::int64_t>(value) == as_int;
  if (is_int && as_int > -small && as_int < small) return std::to_string(as_int);
  return fmt::format("{:#x}", value);
}

// A terminal is to show it as it is.
std::string printable(std::string_view text) {
  std::string all;
  for (const char letter : text) {
    const auto byte = static_cast<unsigned char>(letter);
    if (byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\') {
      all += letter;
    } else {
      all += fmt::format("\\x{:02x}", byte);
    }
  }
  return all;
}

std::string remedy_for(std::uint8_t needs) {
  const auto has = [&](shm::grant what) { return (needs & static_cast<std::uint8_t>(what)) != 0; };
  if (has(shm::grant::read) && has(shm::grant::write)) return "permissions.read or .write of its path would allow it";
  if (has(shm::grant::read)) return "permissions.read of its path would allow it";
  if (has(shm::grant::write)) return "permissions.write of its path would allow it";
  if (has(shm::grant::run)) return "permissions.run of a program would allow it";
  if (has(shm::grant::listen)) return "permissions.net of a tcp_listen would allow it";
  if (has(shm::grant::network)) return "permissions.net would allow it, for TCP and UDP";
  return "strict permissions have no grant for it";
}

}  // namespace

std::optional<refusal> last_refusal(const shm::refusal_record& record, std::uint64_t epoch) {
  const std::uint32_t before = record.turn.load(std::memory_order_acquire);  // SYNC refusal
  shm::refusal_record copy;
  std::memcpy(static_cast<void*>(&copy), static_cast<const void*>(&record), sizeof copy);
  std::atomic_thread_fence(std::memory_order_acquire);
  const bool whole = record.turn.load(std::memory_order_relaxed) == before && before % 2 == 0;
  if (!whole || copy.epoch != epoch) return std::nullopt;
  const std::string_view path(copy.path, ::strnlen(copy.path, sizeof copy.path));
  std::string arguments;
  for (std::size_t i = 0; i < arguments_shown; ++i) {
    if (i != 0) arguments += ", ";
    arguments += i == copy.path_argument ? "\"" + printable(path) + "\"" : argument_text(copy.arguments[i]);
  }
  return refusal{.call_id = copy.call_id,
                 .call = fmt::format("{}({})", name_of(copy.number), arguments),
                 .remedy = remedy_for(copy.needs)};
}

}  // namespace selvage::host

// dladdr and the demangler: see symbols.hpp.

#include "pool/symbols.hpp"

#include <cxxabi.h>
#include <dlfcn.h>
#include <fmt/format.h>
#include <link.h>

#include <cstdlib>
#include <memory>

namespace selvage::host {
namespace {

std::string demangled(const char* name) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(abi::__cxa_demangle(name, nullptr, nullptr, &status),
                                                         &std::free);
  return status == 0 && text ? text.get() : name;
}

// A return address is behind its call: one back is inside it. The innermost frame is the instruction itself.
std::string one_frame(std::uint64_t address, bool innermost) {
  Dl_info info{};
  const auto* const inside =
      reinterpret_cast<const void*>(innermost || address == 0 ? address : address - 1);  // NOLINT: only looked up
  if (::dladdr(inside, &info) == 0 || info.dli_fname == nullptr) return fmt::format("{:#x}", address);
  if (info.dli_sname == nullptr) {
    return fmt::format("{:#x} ({} + {:#x})", address, info.dli_fname,
                       address - reinterpret_cast<std::uint64_t>(info.dli_fbase));
  }
  return fmt::format("{} + {:#x} ({})", demangled(info.dli_sname),
                     address - reinterpret_cast<std::uint64_t>(info.dli_saddr), info.dli_fname);
}

}  // namespace

std::uint64_t main_program_base() noexcept {
  std::uint64_t base = 0;
  ::dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* out) {
        *static_cast<std::uint64_t*>(out) = info->dlpi_addr;  // the first entry is the main program
        return 1;
      },
      &base);
  return base;
}

std::vector<std::string> symbolise(std::span<const std::uint64_t> frames, std::uint64_t worker_base) {
  const std::uint64_t own_base = main_program_base();
  std::vector<std::string> names;
  names.reserve(frames.size());
  for (const std::uint64_t frame : frames) {
    Dl_info info{};
    const bool known = ::dladdr(reinterpret_cast<const void*>(frame), &info) != 0;  // NOLINT: only looked up
    const bool moved = worker_base != 0 && worker_base != own_base;
    names.push_back(one_frame(moved && !known ? frame - worker_base + own_base : frame, names.empty()));
  }
  return names;
}

}  // namespace selvage::host

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

struct program {
  std::uint64_t base = 0;
  unsigned long long changes = 0;  // libraries loaded and unloaded, so far
};

program main_program() noexcept {
  program found;
  ::dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* out) {
        *static_cast<program*>(out) = {info->dlpi_addr,
                                       info->dlpi_adds + info->dlpi_subs};  // the first entry is the main program
        return 1;
      },
      &found);
  return found;
}

}  // namespace

std::vector<std::string> symbol_names::of(std::span<const std::uint64_t> frames, std::uint64_t worker_base) {
  const program own = main_program();
  if (own.changes != changes_ || known_.size() + frames.size() > most) known_.clear();
  changes_ = own.changes;
  const bool moved = worker_base != 0 && worker_base != own.base;
  const auto name = [&](const place& of) {
    Dl_info info{};
    // NOLINTNEXTLINE: only looked up
    const bool is_here = !moved || ::dladdr(reinterpret_cast<const void*>(of.address), &info) != 0;
    return one_frame(is_here ? of.address : of.address - worker_base + own.base, of.innermost);
  };
  std::vector<std::string> names;
  names.reserve(frames.size());
  for (const std::uint64_t frame : frames) {
    const place at{frame, worker_base, names.empty()};
    auto found = known_.find(at);
    if (found == known_.end()) found = known_.emplace(at, name(at)).first;
    names.push_back(found->second);
  }
  return names;
}

}  // namespace selvage::host

// See modules.hpp.

#include "start/modules.hpp"

#include <elf.h>
#include <link.h>

#include <algorithm>
#include <cstring>
#include <string_view>

namespace selvage::launch {
namespace {

using note_header = ElfW(Nhdr);

constexpr std::string_view gnu_note_name{"GNU\0", 4};

std::uint64_t round_up(std::uint64_t size, std::uint64_t alignment) {
  return (size + alignment - 1) & ~(alignment - 1);
}

// A note: header, name, content, the latter two padded to the segment's alignment.
std::vector<std::uint8_t> build_id_in(const char* notes, std::uint64_t bytes, std::uint64_t alignment) {
  alignment = alignment == 8 ? 8 : 4;
  std::uint64_t at = 0;
  while (at + sizeof(note_header) <= bytes) {
    note_header header;
    std::memcpy(&header, notes + at, sizeof header);
    const std::uint64_t name = at + sizeof header;
    const std::uint64_t content = name + round_up(header.n_namesz, alignment);
    if (content > bytes || header.n_descsz > bytes - content) return {};
    if (header.n_type == NT_GNU_BUILD_ID && std::string_view(notes + name, header.n_namesz) == gnu_note_name) {
      return {notes + content, notes + content + header.n_descsz};
    }
    at = content + round_up(header.n_descsz, alignment);
  }
  return {};
}

loaded_module module_of(const dl_phdr_info& info, bool first) {
  loaded_module it;
  const std::string_view path = info.dlpi_name == nullptr ? "" : info.dlpi_name;
  it.path = first || path.empty() ? "the program" : path;
  it.base = info.dlpi_addr;
  for (const auto& segment : std::span(info.dlpi_phdr, info.dlpi_phnum)) {
    const std::uint64_t start = info.dlpi_addr + segment.p_vaddr;
    if (segment.p_type == PT_LOAD && (segment.p_flags & PF_X) != 0) it.code.push_back({start, start + segment.p_memsz});
    if (segment.p_type == PT_NOTE && it.build_id.empty()) {
      it.build_id =
          build_id_in(reinterpret_cast<const char*>(start), segment.p_memsz, segment.p_align);  // NOLINT: loaded here
    }
  }
  return it;
}

bool holds_code(const loaded_module& it, std::uint64_t address) noexcept {
  return std::any_of(it.code.begin(), it.code.end(),
                     [&](auto part) { return address >= part.first && address < part.end; });
}

}  // namespace

loaded_modules::loaded_modules() {
  ::dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* into) {
        auto& modules = *static_cast<std::vector<loaded_module>*>(into);
        modules.push_back(module_of(*info, modules.empty()));
        return 0;
      },
      &modules_);
}

std::optional<loaded_modules::place> loaded_modules::locate(const void* code) const noexcept {
  const auto address = reinterpret_cast<std::uint64_t>(code);
  for (std::size_t i = 0; i < modules_.size(); ++i) {
    if (holds_code(modules_[i], address)) return place{i, address - modules_[i].base};
  }
  return std::nullopt;
}

const loaded_module* loaded_modules::find(std::span<const std::uint8_t> build_id) const noexcept {
  if (build_id.empty()) return nullptr;
  const auto it = std::find_if(modules_.begin(), modules_.end(),
                               [&](const loaded_module& each) { return std::ranges::equal(each.build_id, build_id); });
  return it == modules_.end() ? nullptr : &*it;
}

void* address_in(const loaded_module& in, std::uint64_t offset) noexcept {
  const std::uint64_t address = in.base + offset;
  return holds_code(in, address) ? reinterpret_cast<void*>(address) : nullptr;  // NOLINT: in this module's code
}

}  // namespace selvage::launch

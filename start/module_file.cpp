// See module_file.hpp.

#include "start/module_file.hpp"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <system_error>

#include <selvage/detail/module_table.hpp>
#include <selvage/error.hpp>

#include "base/syscalls.hpp"
#include "base/unique_fd.hpp"

namespace selvage::launch {
namespace {

#if defined(__x86_64__)
constexpr Elf64_Half this_machine = EM_X86_64;
#else
constexpr Elf64_Half this_machine = EM_AARCH64;
#endif

constexpr std::uint64_t most_symbols = 1U << 20U;
constexpr unsigned most_headers = 1024;

[[noreturn]] void unfit(const std::filesystem::path& path, std::string_view why) {
  throw error(errc::unknown_task, fmt::format("{}: {}", path.string(), why));
}

/// A file of which parts are read; what lies beyond its end is not there.
class elf_file {
 public:
  explicit elf_file(const std::filesystem::path& path)
      : path_(path), fd_(base::retry_eintr([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); })) {
    struct stat found {};
    if (!fd_ || ::fstat(fd_.get(), &found) != 0) unfit(path, std::generic_category().message(errno));
    if (!S_ISREG(found.st_mode)) unfit(path, "it is no file");
    read(&head_, sizeof head_, 0);
    if (std::memcmp(head_.e_ident, ELFMAG, SELFMAG) != 0) unfit(path, "it is no ELF file");
    if (head_.e_ident[EI_CLASS] != ELFCLASS64 || head_.e_machine != this_machine || head_.e_type != ET_DYN) {
      unfit(path, "it is no shared library for this machine");
    }
    if (head_.e_shentsize != sizeof(Elf64_Shdr) || head_.e_shnum > most_headers)
      unfit(path, "its sections cannot be read");
    if (head_.e_phentsize != sizeof(Elf64_Phdr) || head_.e_phnum > most_headers)
      unfit(path, "its segments cannot be read");
    sections_.resize(head_.e_shnum);
    read(sections_.data(), sections_.size() * sizeof(Elf64_Shdr), head_.e_shoff);
    segments_.resize(head_.e_phnum);
    read(segments_.data(), segments_.size() * sizeof(Elf64_Phdr), head_.e_phoff);
  }

  /// Fills all of `into`, or throws.
  void read(void* into, std::size_t size, std::uint64_t offset) const {
    auto* at = static_cast<char*>(into);
    while (size != 0) {
      if (offset > static_cast<std::uint64_t>(INT64_MAX)) unfit(path_, "it ends too early");
      const ssize_t got = base::retry_eintr([&] { return ::pread(fd_.get(), at, size, static_cast<off_t>(offset)); });
      if (got < 0) unfit(path_, std::generic_category().message(errno));
      if (got == 0) unfit(path_, "it ends too early");
      at += got;
      size -= static_cast<std::size_t>(got);
      offset += static_cast<std::uint64_t>(got);
    }
  }

  /// The address of an exported symbol as the file has it, and its size.
  [[nodiscard]] std::optional<Elf64_Sym> symbol(std::string_view name) const {
    for (const Elf64_Shdr& section : sections_) {
      if (section.sh_type != SHT_DYNSYM) continue;
      if (section.sh_entsize != sizeof(Elf64_Sym) || section.sh_link >= sections_.size() ||
          section.sh_size / sizeof(Elf64_Sym) > most_symbols) {
        unfit(path_, "its symbols cannot be read");
      }
      std::vector<Elf64_Sym> symbols(static_cast<std::size_t>(section.sh_size / sizeof(Elf64_Sym)));
      read(symbols.data(), symbols.size() * sizeof(Elf64_Sym), section.sh_offset);
      const Elf64_Shdr& names = sections_[section.sh_link];
      for (const Elf64_Sym& each : symbols) {
        if (each.st_shndx == SHN_UNDEF || each.st_name >= names.sh_size) continue;
        if (names.sh_size - each.st_name < name.size() + 1) continue;
        std::string its(name.size() + 1, '\0');
        read(its.data(), its.size(), names.sh_offset + each.st_name);
        if (its.back() == '\0' && std::string_view(its).substr(0, name.size()) == name) return each;
      }
    }
    return std::nullopt;
  }

  /// Where in the file `size` bytes at an address are. Throws where they are not.
  [[nodiscard]] std::uint64_t offset_of(std::uint64_t address, std::uint64_t size) const {
    for (const Elf64_Phdr& segment : segments_) {
      if (segment.p_type != PT_LOAD || address < segment.p_vaddr) continue;
      const std::uint64_t within = address - segment.p_vaddr;
      if (within < segment.p_filesz && size <= segment.p_filesz - within) return segment.p_offset + within;
    }
    unfit(path_, "its table of tasks is not in the file");
  }

 private:
  const std::filesystem::path& path_;
  base::unique_fd fd_;
  Elf64_Ehdr head_{};
  std::vector<Elf64_Shdr> sections_;
  std::vector<Elf64_Phdr> segments_;
};

template <std::size_t N>
std::string text_of(const std::array<char, N>& from) {
  return std::string(from.data(), ::strnlen(from.data(), N));
}

std::vector<std::filesystem::path> library_folders() {
  std::vector<std::filesystem::path> folders;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): a program that changes its environment meanwhile has given its word away
  if (const char* const given = std::getenv("LD_LIBRARY_PATH")) {
    for (std::string_view rest = given; !rest.empty();) {
      const std::string_view one = rest.substr(0, rest.find(':'));
      if (!one.empty()) folders.emplace_back(one);
      rest.remove_prefix(std::min(rest.size(), one.size() + 1));
    }
  }
#if defined(__x86_64__)
  constexpr const char* triplet = "x86_64-linux-gnu";
#else
  constexpr const char* triplet = "aarch64-linux-gnu";
#endif
  for (const char* const root : {"/usr/local/lib", "/usr/lib", "/lib"}) {
    folders.push_back(std::filesystem::path(root) / triplet);
    folders.emplace_back(root);
  }
  return folders;
}

}  // namespace

std::vector<exported_task> tasks_in(const std::filesystem::path& library) {
  const elf_file file(library);
  const auto symbol = file.symbol(detail::module_symbol);
  if (!symbol) unfit(library, "it is no module: it does not say SELVAGE_MODULE(...)");
  detail::module_head head;
  file.read(&head, sizeof head, file.offset_of(symbol->st_value, sizeof head));
  if (head.format != detail::module_format || head.entry_bytes != sizeof(detail::module_entry)) {
    unfit(library, "it was built with another Selvage: build it again");
  }
  if (head.count > detail::most_module_tasks) unfit(library, fmt::format("it says that it has {} tasks", head.count));
  std::vector<exported_task> tasks;
  std::uint64_t address = symbol->st_value + sizeof head;
  for (std::uint32_t i = 0; i < head.count; ++i, address += sizeof(detail::module_entry)) {
    detail::module_entry entry;
    file.read(&entry, sizeof entry, file.offset_of(address, sizeof entry));
    tasks.push_back({text_of(entry.name), text_of(entry.signature), entry.signature_hash});
  }
  return tasks;
}

std::filesystem::path find_library(std::string_view name) {
  std::error_code problem;
  if (name.find('/') != name.npos) {
    auto path = std::filesystem::canonical(name, problem);
    if (problem) unfit(name, problem.message());
    return path;
  }
  std::string looked;
  for (const auto& folder : library_folders()) {
    auto path = std::filesystem::canonical(folder / name, problem);
    if (!problem) return path;
    looked += (looked.empty() ? "" : ", ") + folder.string();
  }
  unfit(name, "it is in none of " + looked + "; a path has a slash in it: ./" + std::string(name));
}

}  // namespace selvage::launch

#pragma once
// The tasks of a module, read from its file. Called by: import.cpp, in the host. Never: loads it, runs anything of it,
// or believes a number in it. Source: elf(5)

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace selvage::launch {

struct exported_task {
  std::string name;
  std::string signature;
  std::uint64_t signature_hash;
};

/// Throws selvage::error unknown_task, with the path: no such file, no ELF file for this machine, no module, or one of
/// another Selvage.
[[nodiscard]] std::vector<exported_task> tasks_in(const std::filesystem::path& library);

/// Where a library is, as an absolute path. Throws unknown_task, saying where it was looked for.
[[nodiscard]] std::filesystem::path find_library(std::string_view name);

}  // namespace selvage::launch

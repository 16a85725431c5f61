#pragma once
// What a module says of its tasks, as bytes that a host can read from the file without loading it, and a worker by the
// symbol `selvage_module`. Written by <selvage/module.hpp>; read by start/module_file.cpp and start/import.cpp.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <selvage/detail/task_entry.hpp>

namespace selvage::detail {

/// Folds in what a module and its worker must agree on. Raised when payloads or call_context change.
inline constexpr std::uint64_t module_format = 0x53'4c'4d'4f'44'00'00'01;
inline constexpr const char* module_symbol = "selvage_module";

inline constexpr std::size_t module_name_bytes = 64;        // with the zero at its end
inline constexpr std::size_t module_signature_bytes = 440;  // the same; longer texts are cut
inline constexpr std::uint32_t most_module_tasks = 4096;

struct module_entry {
  std::uint64_t signature_hash = 0;
  std::array<char, module_name_bytes> name{};
  std::array<char, module_signature_bytes> signature{};
  task_thunk run = nullptr;  ///< the one part that is only there once it is loaded
};
static_assert(sizeof(module_entry) == 520);

struct module_head {
  std::uint64_t format = module_format;
  std::uint32_t entry_bytes = sizeof(module_entry);
  std::uint32_t count = 0;
};
static_assert(sizeof(module_head) == 16);

/// Returns: as much of `from` as there is room for, and at least one zero behind it.
template <std::size_t N>
constexpr std::array<char, N> cut_text(std::string_view from) {
  std::array<char, N> text{};
  for (std::size_t i = 0; i < from.size() && i + 1 < N; ++i) text[i] = from[i];
  return text;
}

}  // namespace selvage::detail

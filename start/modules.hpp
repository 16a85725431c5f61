#pragma once
// Code by its place: an address of this process as an offset into a loaded module with a build-id, and back. That
// is how a task is named to a process in which everything is loaded elsewhere.
//
// Called by: the two sides of start::spawn. Never: loads a module, or dereferences an address that it was given.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace selvage::launch {

/// One file that is mapped to be run: the program or a shared object.
struct loaded_module {
  std::string path{};                    ///< as the dynamic loader knows it; "the program" for the program itself
  std::vector<std::uint8_t> build_id{};  ///< empty where it was linked without one
  std::uint64_t base = 0;                ///< what offsets count from
  struct range {
    std::uint64_t first, end;  ///< addresses
  };
  std::vector<range> code{};  ///< its executable parts
};

/// What is loaded at the moment of construction. Source: dl_iterate_phdr(3), elf(5)
class loaded_modules {
 public:
  loaded_modules();

  struct place {
    std::size_t module;  ///< index into all()
    std::uint64_t offset;
  };
  /// Returns: where the code at this address is, nothing where it is in no module's executable part.
  [[nodiscard]] std::optional<place> locate(const void* code) const noexcept;
  /// Returns: the module with this build-id, null where it is not loaded.
  [[nodiscard]] const loaded_module* find(std::span<const std::uint8_t> build_id) const noexcept;
  [[nodiscard]] const std::vector<loaded_module>& all() const noexcept { return modules_; }

 private:
  std::vector<loaded_module> modules_;
};

/// Returns: the address of that code, null where the offset is not in an executable part of the module.
[[nodiscard]] void* address_in(const loaded_module& in, std::uint64_t offset) noexcept;

}  // namespace selvage::launch

#pragma once
// A task that is in a module: in the host a record, in a worker a thunk that loads the module when it is called first.
// Called by: <selvage/import.hpp>, and both sides of start::spawn, which tell of it by path and name.

#include <atomic>
#include <cstdint>
#include <string>

#include <selvage/detail/task_entry.hpp>
#include <selvage/detail/task_record.hpp>

namespace selvage::launch {

/// What the thunk finds its task by.
struct import_place {
  std::string library;  ///< absolute
  std::string name;
  std::uint64_t signature_hash = 0;
  mutable std::atomic<detail::task_thunk> found{nullptr};  ///< in this process; null: not looked for yet
};

struct imported_record final : detail::task_record {
  import_place place;
};

/// A task_thunk whose closure is an import_place. Throws std::runtime_error where the module cannot be loaded, or is
/// not what it was when it was imported.
void run_imported(const void* place, detail::call_context& context);

/// Null where the task is none that was imported.
[[nodiscard]] const import_place* import_of(const detail::task_record& task) noexcept;

}  // namespace selvage::launch

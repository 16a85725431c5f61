// See import.hpp and <selvage/import.hpp>.

#include "start/import.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string_view>

#include <selvage/detail/module_table.hpp>
#include <selvage/error.hpp>
#include <selvage/import.hpp>

#include "start/module_file.hpp"

namespace selvage::launch {
namespace {

/// Loads the module: in a worker, which is sealed.
detail::task_thunk find_in_loaded(const import_place& place) {
  void* const library = ::dlopen(place.library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    throw std::runtime_error(fmt::format("the module cannot be loaded: {}", ::dlerror()));  // NOLINT: one thread
  }
  const auto* const head = static_cast<const detail::module_head*>(::dlsym(library, detail::module_symbol));
  if (head == nullptr || head->format != detail::module_format) {
    throw std::runtime_error(fmt::format("{} is not the module that was imported", place.library));
  }
  const auto* const entries = reinterpret_cast<const detail::module_entry*>(head + 1);
  const auto* const entry = std::find_if(entries, entries + head->count, [&](const detail::module_entry& each) {
    return std::string_view(each.name.data()) == place.name && each.signature_hash == place.signature_hash;
  });
  if (entry == entries + head->count) {
    throw std::runtime_error(fmt::format("{} has changed since task '{}' was imported", place.library, place.name));
  }
  return entry->run;
}

}  // namespace

void run_imported(const void* place, detail::call_context& context) {
  const auto& from = *static_cast<const import_place*>(place);
  detail::task_thunk run = from.found.load(std::memory_order_relaxed);  // relaxed: code that is loaded stays
  if (run == nullptr) {
    run = find_in_loaded(from);
    from.found.store(run, std::memory_order_relaxed);
  }
  run(nullptr, context);
}

const import_place* import_of(const detail::task_record& task) noexcept {
  return task.run == &run_imported ? static_cast<const import_place*>(task.closure) : nullptr;
}

}  // namespace selvage::launch

namespace selvage::detail {

std::shared_ptr<task_record> import_record(std::string_view library, std::string_view name, std::uint64_t expected_hash,
                                           const std::string& expected_signature) {
  const auto path = launch::find_library(library);
  const auto tasks = launch::tasks_in(path);
  const auto found = std::ranges::find(tasks, name, &launch::exported_task::name);
  if (found == tasks.end()) {
    std::string all;
    for (const auto& each : tasks) all += (all.empty() ? "" : ", ") + each.name;
    throw error(errc::unknown_task,
                fmt::format("{}: it has no task '{}', only: {}", path.string(), name, all.empty() ? "none" : all));
  }
  if (found->signature_hash != expected_hash) {
    throw error(errc::unknown_task, fmt::format("{}: its task '{}' is {}, and was imported as {}", path.string(), name,
                                                found->signature, expected_signature));
  }
  auto record = std::make_shared<launch::imported_record>();
  record->place.library = path.string();
  record->place.name = name;
  record->place.signature_hash = expected_hash;
  record->name = name;
  record->run = &launch::run_imported;
  record->closure = &record->place;
  record->signature_hash = expected_hash;
  record->signature = expected_signature;
  record->library = record->place.library;
  return record;
}

}  // namespace selvage::detail

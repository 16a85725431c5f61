#pragma once
// How a run is opened for writing, or begun: a checklist from its name to an environment that may be believed. Called
// by: store.cpp. Leaves everything as it is where it throws.

#include <filesystem>
#include <memory>

#include <selvage/store.hpp>

#include "store/environment.hpp"
#include "store/run_directory.hpp"

namespace selvage::store_detail {

struct opened_run {
  owned_directory directory;
  std::unique_ptr<store_detail::environment> environment;
};

/// Throws what store::open returns.
[[nodiscard]] opened_run open_run(const std::filesystem::path& store, const store_options& options,
                                  const journal_options& asked);

}  // namespace selvage::store_detail

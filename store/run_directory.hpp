#pragma once
// The directories of runs: found, made whole or not at all, deleted, and looked over before they are believed. Called
// by: journal.cpp, store.cpp. Never opens an environment.

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/owner_lock.hpp"

namespace selvage::store_detail {

/// Throws invalid_options unless a run can be called so.
[[nodiscard]] std::filesystem::path path_of(const std::filesystem::path& store, std::string_view run);

/// Throws store_error where the directory lies on a filesystem on which LMDB's maps or locks are not sound. Source:
/// statfs(2)
void require_local(const std::filesystem::path& directory);

/// Makes the store's directory where there is none.
void make_store(const std::filesystem::path& store);

/// A run's directory with its lock.
struct owned_directory {
  std::filesystem::path path;
  owner_lock lock;
};

/// Opens a run's directory; nothing where there is none. Throws store_busy.
[[nodiscard]] std::optional<owned_directory> own(const std::filesystem::path& path);

/// Makes a run's directory: `fill` is given one under another name, and what it has made there appears under the run's
/// name at once and whole. Returns: nothing where another process was faster.
[[nodiscard]] std::optional<owned_directory> make(const std::filesystem::path& path,
                                                  const std::function<void(const std::filesystem::path&)>& fill);

/// The same in place of a run that there is.
void replace(owned_directory old, const std::function<void(const std::filesystem::path&)>& fill);

/// The folder in a run's directory for files that its records speak of: made where there is none.
void make_files_folder(const std::filesystem::path& run);

/// Gives another directory, which has no such folder yet, the same files.
void link_files(const std::filesystem::path& run, const std::filesystem::path& into);

/// Bytes on the disk.
[[nodiscard]] std::uintmax_t size_of_files(const std::filesystem::path& run);

/// Deletes it: it is gone under its name at once.
void remove(owned_directory directory);

/// Deletes what processes that are dead have left half made or half deleted.
void sweep(const std::filesystem::path& store);

/// The names of all runs, sorted.
[[nodiscard]] std::vector<std::string> runs_in(const std::filesystem::path& store);

}  // namespace selvage::store_detail

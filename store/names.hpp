#pragma once
// What the files of a store are called, and under which names its records are kept in LMDB. Called by all of store/.
//
//   DIRECTORY/NAME.run/data.mdb    the run called NAME, bytes that a file name should not have as %XX
//                      lock.mdb    LMDB's
//                      owner       locked by the process that has the run open
//   DIRECTORY/.new-PID-N/          a run that is being made: it gets its name once it has its manifest
//   DIRECTORY/.old-PID-N/          a run that is being deleted

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace selvage::store_detail {

inline constexpr std::string_view data_file = "data.mdb";
inline constexpr std::string_view lock_file = "lock.mdb";
inline constexpr std::string_view owner_file = "owner";
inline constexpr std::string_view files_folder = "files";  // what records speak of
inline constexpr std::string_view run_suffix = ".run";
inline constexpr std::string_view new_prefix = ".new-";
inline constexpr std::string_view old_prefix = ".old-";

inline constexpr std::size_t max_run_name = 80;  // bytes: a file name may have 255, and each may be escaped as three
inline constexpr std::size_t max_key = std::size_t{1} << 20U;

/// Nothing where no run can be called so.
[[nodiscard]] std::optional<std::string> directory_of(std::string_view run);
/// Nothing where the directory is none of a run.
[[nodiscard]] std::optional<std::string> run_of(std::string_view directory);

/// The manifest's record; sorts before those of items.
inline constexpr std::string_view manifest_key = "!";

/// LMDB takes names of 1 to 511 bytes. A key of up to 510 is kept under "k" and itself; a longer one under "l" and the
/// 128 bits of its hash: whoever looks compares the key that is in the record.
[[nodiscard]] std::string record_name(std::string_view key);
void append_record_name(std::string& to, std::string_view key);
[[nodiscard]] bool is_hashed(std::string_view key) noexcept;

}  // namespace selvage::store_detail

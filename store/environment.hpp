#pragma once
// One LMDB environment, and its transactions, as values that clean up. Called by: journal.cpp, store.cpp,
// run_directory.cpp. What LMDB refuses is thrown as a selvage::error that names the file.
//
// LMDB must not meet a fork: its maps are kept out of children, and whoever owns an environment must not destroy it in
// one (abandon() is for that). Source: lmdb.h, "Caveats".

#include <lmdb.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

namespace selvage::store_detail {

[[nodiscard]] inline MDB_val value_of(std::span<const std::byte> bytes) {
  return {bytes.size(), const_cast<std::byte*>(bytes.data())};  // LMDB only reads it
}
[[nodiscard]] inline MDB_val value_of(std::string_view text) { return value_of(std::as_bytes(std::span(text))); }
[[nodiscard]] inline std::span<const std::byte> bytes_of(const MDB_val& value) {
  return {static_cast<const std::byte*>(value.mv_data), value.mv_size};
}

class environment;

/// Ends with the object; what was not committed has not happened.
class transaction {
 public:
  explicit transaction(MDB_txn* handle) noexcept : handle_(handle) {}
  transaction(transaction&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  transaction& operator=(transaction&&) = delete;
  ~transaction() {
    if (handle_ != nullptr) ::mdb_txn_abort(handle_);
  }
  [[nodiscard]] MDB_txn* get() const noexcept { return handle_; }
  /// Gives it to mdb_txn_commit. Returns: what that returned.
  [[nodiscard]] int commit() noexcept { return ::mdb_txn_commit(std::exchange(handle_, nullptr)); }

 private:
  MDB_txn* handle_;
};

class environment {
 public:
  enum class access : std::uint8_t { read, write, write_unsynced };

  /// Whether the file is looked at before LMDB believes what is in it (see file_check.hpp).
  enum class content : std::uint8_t {
    unknown,  ///< it is; requires: nobody writes to it
    sound,    ///< it is not: this process makes it, or another one has it open and changes it
  };

  /// Opens the environment in `directory`, which must exist. Throws store_error, damaged_file where it is damaged.
  environment(const std::filesystem::path& directory, access how, content what, std::size_t map_bytes);
  environment(environment&&) = delete;
  environment& operator=(environment&&) = delete;
  ~environment();

  /// A look at what is committed. The environment must outlive it. Any number at a time, used by any thread.
  [[nodiscard]] transaction read() const;
  [[nodiscard]] transaction write() const;

  /// The record of this key: valid as long as the transaction lives, and at any address.
  [[nodiscard]] std::optional<std::span<const std::byte>> find(const transaction& in, std::string_view key) const;
  /// Returns: 0, or what mdb_put returned. The caller knows what to do about MDB_MAP_FULL.
  [[nodiscard]] int put(const transaction& in, std::string_view key, std::span<const std::byte> value) const;

  /// Doubles the map. Requires: no transaction of this process lives.
  void grow();
  /// What was committed without a sync is on the disk afterwards.
  void sync();
  /// Records, the manifest among them.
  [[nodiscard]] std::uint64_t records(const transaction& in) const;
  [[nodiscard]] MDB_dbi database() const noexcept { return database_; }
  [[nodiscard]] const std::filesystem::path& file() const noexcept { return file_; }
  [[nodiscard]] MDB_env* get() const noexcept { return handle_; }

  /// Leaves it open for ever: in a forked child, where its maps are not there to be unmapped.
  void abandon() noexcept { handle_ = nullptr; }

 private:
  std::span<const std::byte> keep_out_of_children() const;
  void check_heads() const;
  void check_structure(std::span<const std::byte> map) const;

  std::filesystem::path file_;  // before what fails with its name
  MDB_env* handle_ = nullptr;
  MDB_dbi database_ = 0;
};

}  // namespace selvage::store_detail

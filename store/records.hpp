#pragma once
// The records of a run in its environment: which is under which name, and whether it is whole. Called by:
// journal_core.cpp, store.cpp. Throws store_error for a record that is damaged.

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <selvage/store.hpp>

#include "schema/stored_run.hpp"
#include "store/environment.hpp"

namespace selvage::store_detail {

[[nodiscard]] schema::run_manifest read_manifest(const environment& from, const transaction& in);
/// Returns: 0, or what LMDB returned.
[[nodiscard]] int write_manifest(const environment& to, const transaction& in, const schema::run_manifest& manifest);

/// The item borrows `scratch`.
[[nodiscard]] std::optional<stored_item> read_item(const environment& from, const transaction& in, std::string_view key,
                                                   schema::aligned_copy& scratch);
/// Looks items up one after the other, in what was committed when it was renewed last. Its transaction and its place in
/// the tree are used again: an item that lies near the one before costs no way down the tree. Pages that are held by it
/// cannot be used again by a writer, which is why it is let go of before a commit.
/// Thread-safety: none. The environment must outlive it.
class standing_look {
 public:
  explicit standing_look(const environment& of);
  standing_look(const standing_look&) = delete;
  standing_look& operator=(const standing_look&) = delete;
  ~standing_look();

  /// Looks at what is committed now, from the next look on.
  void let_go() noexcept;
  /// The item is valid until the next call.
  [[nodiscard]] std::optional<stored_item> find(std::string_view key);
  /// Items that were there when it was made.
  [[nodiscard]] std::uint64_t items_at_first() const noexcept { return items_; }

 private:
  void renew();

  const environment& of_;
  transaction in_;
  const std::uint64_t items_;
  MDB_cursor* at_ = nullptr;
  bool held_ = true;
  std::string name_;
  schema::aligned_copy scratch_;
};

/// Returns: 0, or what LMDB returned.
[[nodiscard]] int write_item(const environment& to, const transaction& in, std::string_view key,
                             std::span<const std::byte> encoded, schema::aligned_copy& scratch);

/// Calls `use` for each item, or with what is wrong with it, until it says false.
void for_each_item(const environment& from, const transaction& in,
                   const std::function<bool(const tl::expected<stored_item, std::string>&)>& use);

/// A key for a message: cut, and with what cannot be printed escaped.
[[nodiscard]] std::string printable(std::string_view key);

}  // namespace selvage::store_detail

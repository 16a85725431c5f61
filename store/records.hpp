#pragma once
// The records of a run in its environment: which is under which name, and whether it is whole. Called by:
// journal_core.cpp, store.cpp. Throws store_error for a record that is damaged.

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
/// Returns: 0, or what LMDB returned.
[[nodiscard]] int write_item(const environment& to, const transaction& in, std::string_view key,
                             std::span<const std::byte> encoded, schema::aligned_copy& scratch);

/// Calls `use` for each item, or with what is wrong with it, until it says false.
void for_each_item(const environment& from, const transaction& in,
                   const std::function<bool(const tl::expected<stored_item, std::string>&)>& use);

/// A key for a message: cut, and with what cannot be printed escaped.
[[nodiscard]] std::string printable(std::string_view key);

}  // namespace selvage::store_detail

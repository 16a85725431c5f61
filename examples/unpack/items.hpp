#pragma once
// What the demonstration works on: files to unpack, and four hostile items planted among them. Called by main, which
// gathers them, and by whoever runs one.

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include <selvage/error.hpp>

#include "inflate.hpp"

namespace unpack {

/// What an item does in place of being unpacked.
enum class mischief : std::uint8_t { none, null_dereference, endless_spin, endless_allocation, exit_zero };

struct item {
  mischief kind = mischief::none;
  std::string path{};  ///< of the file; of a hostile item, what it is called in the table
};

/// How an item ended, whichever way it was run.
using ending = tl::expected<unpacked, selvage::error>;

/// The task. A hostile item does what its kind says: it never returns.
[[nodiscard]] unpacked unpack_item(const item& what);

/// An item for each path, in order, with the four hostile ones spread evenly among them.
[[nodiscard]] std::vector<item> plant_hostile_items(std::vector<std::string> paths);

/// Did a hostile item fail, and for the reason that its kind must give?
[[nodiscard]] bool failed_rightly(mischief kind, const ending& how);

}  // namespace unpack

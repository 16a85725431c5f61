#pragma once
// Whether the file of a run is sound as a structure: LMDB believes every number in a file, and would follow a damaged
// one out of its map. This looks at each page that can be reached, before LMDB does, and believes nothing. What the
// records say is not looked at: they have checksums.
//
// Called by: whoever opens a run. Never writes. Source: LMDB 0.9's mdb.c ("Page header", "Meta page", "Node"); the
// version number that is in the file stands for that format.

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

namespace selvage::store_detail {

/// Returns: what is wrong with the bytes of an LMDB file, with the page where that is; empty where nothing is.
/// Cost: one look at the header and each entry of each page.
[[nodiscard]] std::string structure_problem(std::span<const std::byte> file);

/// The same of a file. Requires: nobody writes to it. Throws store_error where it cannot be read.
[[nodiscard]] std::string file_problem(const std::filesystem::path& file);

}  // namespace selvage::store_detail

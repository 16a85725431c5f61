#pragma once
// Whether the file of a run is sound as a structure: LMDB believes every number in a file, and would follow a damaged
// one out of its map. This looks at each page that can be reached, before LMDB does, and believes nothing. What the
// records say is not looked at: they have checksums.
//
// Called by: environment.cpp. Never writes. Source: LMDB 0.9's mdb.c ("Page header", "Meta page", "Node"); the
// version number that is in the file stands for that format.

#include <cstddef>
#include <span>
#include <string>

namespace selvage::store_detail {

/// As much of the beginning of a file as head_problem() has to see of it.
inline constexpr std::size_t head_bytes = std::size_t{128} << 10U;

/// Returns: what is wrong with the heads of an LMDB file, given its first head_bytes or all of it; empty where nothing
/// is. LMDB looks at no more than that when it opens a file.
[[nodiscard]] std::string head_problem(std::span<const std::byte> begin);

/// Returns: what is wrong with the bytes of an LMDB file, with the page where that is; empty where nothing is.
/// Requires: nobody writes to it. Cost: one look at the header and each entry of each page.
[[nodiscard]] std::string structure_problem(std::span<const std::byte> file);

}  // namespace selvage::store_detail

#pragma once
// A plain scan of an LMDB file: what reading every record of a run costs at least.
//
// Called by: runs.cpp. Never: knows what a record is.

#include <cstdint>
#include <string>

namespace limits {

/// Opens the environment in a folder, reads every record once, and closes it. Returns: how many there were. Throws
/// std::runtime_error.
[[nodiscard]] std::uint64_t scan(const std::string& folder);

}  // namespace limits

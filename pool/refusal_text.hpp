#pragma once
// What a worker was refused, in words. Its record was written by the worker: read as hostile bytes.

#include <cstdint>
#include <optional>
#include <string>

#include "shm/layout.hpp"

namespace selvage::host {

struct refusal {
  std::uint64_t call_id = 0;
  std::string call;    ///< e.g. openat(-100, "/etc/passwd", 0)
  std::string remedy;  ///< e.g. "permissions.read or .write of that path would allow it"
};

/// Returns: what was refused last in `epoch`, if anything was and its record is whole.
[[nodiscard]] std::optional<refusal> last_refusal(const shm::refusal_record& record, std::uint64_t epoch);

}  // namespace selvage::host

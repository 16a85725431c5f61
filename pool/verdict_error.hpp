#pragma once
// From the supervisor's verdict and the worker's crash record to words. The verdict is trusted; the crash record was
// written by the dead worker, and is believed only where the verdict agrees with it.

#include <cstdint>
#include <optional>
#include <string>

#include <selvage/error.hpp>
#include <selvage/stats.hpp>

#include "base/limits.hpp"
#include "pool/refusal_text.hpp"
#include "pool/symbols.hpp"
#include "shm/layout.hpp"

namespace selvage::host {

/// What a dead worker had to run: whose limit it was is told by its length.
struct doomed_call {
  std::uint64_t id = 0;
  std::uint64_t timeout_ns = 0;
  std::uint64_t grace_ns = 0;
  base::limits limits{};  ///< of its worker
};

/// Fills code, message and everything known of the worker. `record` is a private copy. Returns: false where the record
/// contradicts the verdict and was ignored.
bool describe_death(failure& what, symbol_names& symbols, const shm::verdict& verdict, const shm::crash_record& record,
                    const doomed_call& call, const std::optional<refusal>& refused = std::nullopt);

/// The last death of a lane's worker before it was ready. Reads the supervisor's record under its sequence lock.
[[nodiscard]] shm::verdict last_start_failure(const shm::supervisor_lane& lane);
/// Why no worker of a lane became ready, in words.
[[nodiscard]] std::string describe_start_failure(const shm::verdict& last);

[[nodiscard]] std::string stderr_of(const shm::verdict& verdict);

/// Adds one replaced worker to its column.
void count(restart_stats& restarts, const shm::verdict& verdict) noexcept;

}  // namespace selvage::host

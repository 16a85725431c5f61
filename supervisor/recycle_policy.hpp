#pragma once
// When a worker that is well is replaced all the same: it is old, or it has grown. Pure but for one reader of /proc.
//
// Called by: ward.cpp. Never: retires anybody itself.

#include <chrono>
#include <cstdint>
#include <optional>

#include "shm/layout.hpp"

namespace selvage::supervisor {

/// 0: not for that reason.
struct recycle_policy {
  std::uint64_t resident_bytes = 0;  ///< resident memory minus shared pages, sampled
  std::chrono::nanoseconds age{0};
  double jitter = 0.1;  ///< each worker's age limit is drawn from age * [1 - jitter, 1 + jitter]
  std::chrono::nanoseconds sample{std::chrono::milliseconds(100)};  ///< of resident memory; at least 1 ms
};

/// The age at which one worker is due. `chance`: uniform in [0, 1]. Returns never_ns where age is 0.
[[nodiscard]] std::uint64_t age_limit_ns(const recycle_policy& policy, double chance) noexcept;

/// Past this nobody waits any more for another lane to finish its own retirement.
[[nodiscard]] constexpr std::uint64_t far_beyond(std::uint64_t limit) noexcept {
  return limit + limit / 2 < limit ? ~std::uint64_t{0} : limit + limit / 2;
}

struct recycle_need {
  shm::recycle_reason reason = shm::recycle_reason::none;
  bool urgent = false;  ///< far beyond the limit
};

/// Requires: age_limit_ns drawn for this worker. `resident_bytes`: 0 where it was not sampled.
[[nodiscard]] recycle_need recycle_now(const recycle_policy& policy, std::uint64_t age_ns, std::uint64_t age_limit_ns,
                                       std::uint64_t resident_bytes) noexcept;

/// Resident minus shared memory of a process; nothing where /proc does not say. Cost: about 5 us.
/// Source: proc(5), /proc/[pid]/statm.
[[nodiscard]] std::optional<std::uint64_t> private_resident_bytes(int pid) noexcept;

}  // namespace selvage::supervisor

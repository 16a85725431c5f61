#pragma once
// When the next worker of a lane is forked after one has ended. Pure: counts and times in, a decision out.
//
// Called by: ward.cpp, after every death and every fork that failed. Never: looks at a clock or a process.

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace selvage::supervisor {

struct restart_policy {
  std::uint32_t budget = 5;  ///< consecutive deaths before ready; one more and the lane has failed
  std::chrono::nanoseconds backoff_first{std::chrono::milliseconds(10)};
  std::chrono::nanoseconds backoff_limit{std::chrono::seconds(1)};
  std::chrono::nanoseconds start_timeout{std::chrono::seconds(
      30)};  ///< to ready, from the fork or from when the host opened the epoch, whichever is later
};

/// How far a worker had come when it died.
struct start_record {
  bool accepted = false;  ///< the host has seen it ready
  bool says_ready = false;
  std::chrono::nanoseconds lived{0};
};

/// Whether the death counts against the budget. A worker's own word is not enough, or an initializer that says "ready"
/// and dies would be a fork storm; it is believed of a worker that lived as long as the longest backoff.
[[nodiscard]] constexpr bool is_failed_start(const restart_policy& policy, const start_record& how) noexcept {
  return !how.accepted && !(how.says_ready && how.lived >= policy.backoff_limit);
}

enum class restart : std::uint8_t { at_once, later, never };

struct restart_decision {
  restart when = restart::at_once;
  std::chrono::nanoseconds wait{0};
};

/// The consecutive failed starts of one lane.
class restart_ledger {
 public:
  explicit constexpr restart_ledger(const restart_policy& policy) noexcept : policy_(policy) {}

  /// A worker was ready: whatever it dies of later, the lane can be started.
  constexpr restart_decision ended_well() noexcept {
    failures_ = 0;
    return {};
  }

  /// A fork failed, or a worker died before it was ready: backoff_first, doubled each time up to backoff_limit.
  constexpr restart_decision failed_to_start() noexcept {
    if (failures_ >= policy_.budget) return {restart::never, {}};
    std::chrono::nanoseconds wait = std::min(policy_.backoff_first, policy_.backoff_limit);
    for (std::uint32_t i = 0; i < failures_ && wait < policy_.backoff_limit; ++i) {
      wait = wait > policy_.backoff_limit / 2 ? policy_.backoff_limit : 2 * wait;
    }
    ++failures_;
    return {restart::later, wait};
  }

  [[nodiscard]] constexpr std::uint32_t failures() const noexcept { return failures_; }

 private:
  restart_policy policy_;
  std::uint32_t failures_ = 0;
};

}  // namespace selvage::supervisor

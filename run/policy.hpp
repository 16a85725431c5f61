#pragma once
// The decisions of a run that are pure: whether and when to try again, what to make of the last failure, when to halt.
// Called by: scheduler.cpp. Knows no pool, no store and no clock.

#include <chrono>
#include <cstdint>
#include <random>

#include <selvage/error.hpp>
#include <selvage/run_options.hpp>

namespace selvage::run_detail {

/// An error after which the pool runs nothing any more: it ends the run, and says nothing of the item.
[[nodiscard]] bool is_end_of_pool(errc code) noexcept;
/// An attempt that took its worker with it.
[[nodiscard]] bool is_death(errc code) noexcept;

[[nodiscard]] bool is_worth_a_retry(const retry_options& retry, unsigned attempts, const error& problem);

/// The pause after so many attempts.
template <class Random>
std::chrono::nanoseconds pause_after(const retry_options& retry, unsigned attempts, Random& random) {
  auto pause = retry.backoff;
  for (unsigned i = 1; i < attempts && pause < retry.backoff_limit; ++i) pause *= 2;
  pause = std::min(pause, retry.backoff_limit);
  const double part = std::uniform_real_distribution<double>(1.0 - retry.jitter, 1.0)(random);
  return std::chrono::nanoseconds(static_cast<std::int64_t>(static_cast<double>(pause.count()) * part));
}

/// What the item's failure is told as: quarantined, where each of several attempts took a worker with it.
[[nodiscard]] error final_failure(const error& last, unsigned attempts, unsigned deaths);

/// Of an attempt that took longer than others allow it (run_options::timeout_percent).
[[nodiscard]] error late_failure(const std::string& task, unsigned attempt, std::chrono::nanoseconds ran,
                                 std::chrono::nanoseconds allowed);

[[nodiscard]] bool is_time_to_halt(const halt_options& halt, std::uint64_t succeeded, std::uint64_t failed) noexcept;

}  // namespace selvage::run_detail

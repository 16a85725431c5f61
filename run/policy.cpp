// See policy.hpp.

#include "run/policy.hpp"

#include <string>

namespace selvage::run_detail {

bool is_end_of_pool(errc code) noexcept {
  return code == errc::supervisor_lost || code == errc::pool_closed || code == errc::worker_start_failed;
}

bool is_death(errc code) noexcept { return code == errc::crashed || code == errc::exited || code == errc::quarantined; }

bool is_worth_a_retry(const retry_options& retry, unsigned attempts, const error& problem) {
  if (attempts >= retry.attempts) return false;
  if (retry.worth) return retry.worth(problem);
  switch (problem.code()) {
    case errc::invalid_options:
    case errc::payload_too_large:
    case errc::permission_denied:
    case errc::unknown_task:
      return false;
    default:
      return true;
  }
}

error final_failure(const error& last, unsigned attempts, unsigned deaths) {
  if (attempts < 2 || deaths < attempts || last.code() == errc::quarantined) return last;
  failure what = last.details();
  what.message = "each of its " + std::to_string(attempts) +
                 " attempts took its worker with it, the last: " + std::string(to_string(what.code)) + ": " +
                 what.message;
  what.code = errc::quarantined;
  return error(std::move(what));
}

error late_failure(const std::string& task, unsigned attempt, std::chrono::nanoseconds ran,
                   std::chrono::nanoseconds allowed) {
  const auto text = [](std::chrono::nanoseconds time) { return std::to_string(time.count() / 1'000'000) + " ms"; };
  failure what;
  what.code = errc::timed_out;
  what.task = task;
  what.attempt = attempt;
  what.message = "it ran for " + text(ran) + ", and at most " + text(allowed) +
                 " are allowed (timeout_percent of the median of those that succeeded)";
  return error(std::move(what));
}

bool is_time_to_halt(const halt_options& halt, std::uint64_t succeeded, std::uint64_t failed) noexcept {
  if (halt.how == halt_options::when::never) return false;
  const std::uint64_t outcomes = succeeded + failed;
  const std::uint64_t counted = halt.what == halt_options::of::failures    ? failed
                                : halt.what == halt_options::of::successes ? succeeded
                                                                           : outcomes;
  constexpr std::uint64_t least = 3;  // before that a part says nothing
  if (halt.count != 0 && counted >= halt.count) return true;
  return halt.percent > 0 && outcomes >= least &&
         static_cast<double>(counted) * 100 >= halt.percent * static_cast<double>(outcomes);
}

}  // namespace selvage::run_detail

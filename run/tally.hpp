#pragma once
// What a run counts on its way to its report. Called by: scheduler.cpp, run.cpp.

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include <selvage/pool.hpp>
#include <selvage/run_options.hpp>

namespace selvage::run_detail {

class tally {
 public:
  using clock = std::chrono::steady_clock;

  explicit tally(const pool& of);

  std::uint64_t pulled = 0;
  std::uint64_t succeeded = 0;
  std::uint64_t resumed = 0;
  std::uint64_t attempts = 0;
  std::uint64_t retries = 0;
  std::uint64_t not_run = 0;

  void failed(errc why) {
    ++failed_;
    ++reasons_[why];
  }
  void ran(std::string_view key, std::uint64_t ordinal, std::chrono::nanoseconds time);

  [[nodiscard]] std::uint64_t failed() const noexcept { return failed_; }
  [[nodiscard]] run_progress progress(std::size_t active, bool source_ended) const;
  [[nodiscard]] run_report report(const pool& of, run_report::ending how, std::optional<error> problem);

 private:
  clock::time_point begun_ = clock::now();
  std::uint64_t restarts_before_;
  std::chrono::nanoseconds cpu_before_;
  std::uint64_t failed_ = 0;
  std::map<errc, std::uint64_t> reasons_;
  std::vector<run_report::slow_item> slowest_;  ///< a heap, the fastest of them on top
};

}  // namespace selvage::run_detail

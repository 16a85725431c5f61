#pragma once
// How long a task is expected to run, learned from how long it ran; and from that, whether one more call may be posted
// to a worker that already has some. Pure, but for the estimates it keeps. Under the pool's lock.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace selvage::host {

class service_estimates {
 public:
  explicit service_estimates(std::size_t tasks) : tasks_(tasks) {}

  [[nodiscard]] std::uint64_t of(std::uint16_t task) const noexcept { return tasks_[task].estimate_ns; }

  /// A worker's word, so clamped. A run that was much longer than expected may have been interrupted by the machine: it
  /// doubles the estimate, and a second one in a row is believed. One that was much shorter is believed at once:
  /// nothing makes a run shorter than it is.
  void learn(std::uint16_t task, std::uint64_t service_ns) noexcept {
    const std::uint64_t told = std::clamp(service_ns, shortest_ns, longest_ns);
    auto& [estimate, was_longer] = tasks_[task];
    const bool is_longer = told > 2 * estimate;
    if (8 * told < estimate || (is_longer && was_longer)) {
      estimate = told;
    } else if (is_longer) {
      estimate *= 2;
    } else {
      estimate += (told >> 2U) - (estimate >> 2U);
    }
    was_longer = is_longer;
  }

  static constexpr std::uint64_t unknown_ns = 49'999;  ///< before the first run; what proves longer is taken back
  static constexpr std::uint64_t shortest_ns = 50;
  static constexpr std::uint64_t longest_ns = 3'600'000'000'000;

 private:
  struct task {
    std::uint64_t estimate_ns = unknown_ns;
    bool was_longer = false;  // the last run, than was expected
  };
  std::vector<task> tasks_;
};

/// Whether a lane takes one more call.
struct depth_rule {
  unsigned maximum;         ///< calls in one lane
  std::uint64_t window_ns;  ///< of expected work, after which nothing more is posted ahead

  /// One call ahead hides the time that a finished worker waits for its next, and costs nothing as long as the wait can
  /// be taken back; behind a run that is longer than this, that time is no longer worth hiding.
  static constexpr std::uint64_t hide_gap_below_ns = 5'000'000;

  /// Arguments from this size on are posted ahead for up to hide_gap_below_ns as well: to keep them in the host
  /// instead is to copy them twice, which is what taking them back would cost.
  static constexpr std::size_t costly_to_keep_bytes = 65'536;

  /// `load_ns`: of expected work before this call. `costly`: it has at least costly_to_keep_bytes of arguments.
  [[nodiscard]] constexpr bool takes(unsigned in_flight, std::uint64_t load_ns, bool costly = false) const noexcept {
    if (in_flight == 0) return true;
    if (in_flight >= maximum) return false;
    return load_ns < window_ns || ((in_flight == 1 || costly) && load_ns < hide_gap_below_ns);
  }
};

}  // namespace selvage::host

#pragma once
// What a benchmark is: a figure of Selvage, the limit that it is judged by, and how the two alternate.
//
// Called by: the benchmark groups (latency.cpp and so on), which fill a suite; main.cpp, which has it measured.
// Never: measures anything.
//
//   void add_latency(suite& to) {
//     to.add({.name = "call_round_trip", .unit = "ns", .goal = {.ratio_at_most = 2.0},
//             .rhythm = {.turns = 10, .samples = 100}, .open = [](const settings&) -> sides { ... }});
//   }

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace selvage::bench {

/// What the command line says.
struct settings {
  std::vector<std::string> only;  ///< names; empty: all
  unsigned repeats = 5;           ///< 1 to 1000; the medians are of so many
  std::string json;               ///< path; empty: none
  bool pin = false;               ///< the host on one processor, a pool's worker and a limit's peer on another
  bool limits = false;            ///< the limits alone, in place of the figures
  bool list = false;
  bool help = false;
  int host_cpu = -1;  ///< with pin: set by main; otherwise -1, which pins nothing
  int peer_cpu = -1;  ///< the same
};

/// Takes so many measurements and returns them in the benchmark's unit. Owns what it measures: pools, peers.
using sampler = std::function<std::vector<double>(std::size_t)>;

struct sides {
  sampler figure;
  sampler limit{};  ///< empty: there is none, and no ratio
};

/// What must be reached. All that is set must hold.
struct goal {
  std::optional<double> ratio_at_most{};
  std::optional<double> ratio_at_least{};
  std::optional<double> value_below{};  ///< in the benchmark's unit
  /// value_below counts only where the limit is no more than this: a slow machine cannot be asked for it.
  std::optional<double> value_counts_where_limit_at_most{};
};

/// One repeat: `turns` times a gap, `samples` of the figure, a gap, `samples` of the limit; one such turn before to
/// warm up.
struct rhythm {
  std::size_t turns = 5;
  std::size_t samples = 20;
  std::chrono::milliseconds gap{0};
  /// The figure's own time counts as a gap: its task sleeps, and waiting for it must cost no processor time either.
  bool figure_is_gap = false;
  bool warm_up = true;
  unsigned most_repeats = 1000;  ///< fewer than asked for, where one repeat takes seconds and varies little
};

struct entry {
  std::string name;
  std::string unit;
  bench::goal goal{};
  bench::rhythm rhythm{};
  /// Called for each repeat: a fresh pool, a fresh peer. The peer is forked first: it should know nothing of the pool.
  std::function<sides(const settings&)> open;
};

class suite {
 public:
  void add(entry each) { entries_.push_back(std::move(each)); }
  [[nodiscard]] const std::vector<entry>& entries() const noexcept { return entries_; }

 private:
  std::vector<entry> entries_;
};

}  // namespace selvage::bench

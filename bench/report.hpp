#pragma once
// From measurements to verdicts: medians, goals, the table and the JSON file. Pure functions.
//
// Called by: the harness and main.cpp. Never: measures, and never asks the machine anything.

#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "suite.hpp"

namespace selvage::bench {

/// A raw round trip above this, and the machine has other things to do: no ratio means anything.
inline constexpr double noisy_ping_pong_ns = 600;
/// Processor time of all our processes in the gaps, as a part of the gaps' time.
inline constexpr double busiest_gap = 0.05;

/// Returns: 0 for none. The mean of the middle two where there is no middle one.
[[nodiscard]] double median(std::vector<double> values) noexcept;

/// The medians of one repeat.
struct repeat {
  double value = 0;
  std::optional<double> limit{};
  std::optional<double> gap_cpu{};  ///< part of one processor that all our processes used in the gaps
  std::vector<double> ping_pongs;   ///< ns, one before and one after
};

/// One benchmark of a run.
struct row {
  std::string name;
  std::string unit;
  bench::goal goal{};
  std::optional<double> value{};  ///< the median of the repeats; nothing where it failed
  std::optional<double> limit{};
  std::optional<double> ratio{};  ///< value / limit; nothing where the machine was noisy
  double lowest_ratio = 0;        ///< of the repeats, where there is a ratio
  double highest_ratio = 0;
  std::optional<double> gap_cpu{};
  double ping_pong_ns = 0;  ///< the median of those taken around it
  std::string failure{};    ///< why there is no value
};

enum class verdict { none, ok, missed, noisy, failed };

[[nodiscard]] row summarise(const entry& what, const std::vector<repeat>& repeats);
[[nodiscard]] verdict judge(const row& of);
/// A goal in words: "<= 2 x, < 1000 us".
[[nodiscard]] std::string words(const goal& of, const std::string& unit);

/// name value unit limit ratio target ok|missed, a line each, and what the run says about the machine.
void print_table(std::ostream& to, const std::vector<row>& rows);
/// A list of {name, value, unit, limit, ratio}; null where there is none.
void print_json(std::ostream& to, const std::vector<row>& rows);

}  // namespace selvage::bench

// Verdicts, the table and the JSON file. See report.hpp.

#include "report.hpp"

#include <algorithm>
#include <cstdio>
#include <iomanip>

namespace selvage::bench {
namespace {

// Four significant digits, and no exponent for what a benchmark gives.
std::string number(double value) {
  char text[64];
  const int digits = value >= 1000 ? 0 : value >= 100 ? 1 : value >= 10 ? 2 : 3;
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string short_number(double value) {
  char text[64];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

std::string number_or_dash(const std::optional<double>& value) { return value ? number(*value) : "-"; }

std::string json_number(const std::optional<double>& value) {
  if (!value) return "null";
  char text[64];
  std::snprintf(text, sizeof text, "%.6g", *value);
  return text;
}

const char* name_of(verdict of) {
  switch (of) {
    case verdict::none:
      return "-";
    case verdict::ok:
      return "ok";
    case verdict::missed:
      return "missed";
    case verdict::noisy:
      return "noisy";
    case verdict::failed:
      return "failed";
  }
  return "?";
}

bool has_ratio(const goal& of) { return of.ratio_at_most || of.ratio_at_least; }

bool is_noisy(const row& of) { return of.ping_pong_ns > noisy_ping_pong_ns; }

std::string notes(const row& of) {
  if (!of.failure.empty()) return of.failure;
  std::string text;
  if (of.ratio) text = "ratios " + number(of.lowest_ratio) + " to " + number(of.highest_ratio);
  if (of.gap_cpu) {
    text += (text.empty() ? "" : ", ") + std::string("gaps ") + number(100 * *of.gap_cpu) + " % busy";
    if (*of.gap_cpu > busiest_gap) text += ": too busy";
  }
  return text;
}

}  // namespace

double median(std::vector<double> values) noexcept {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

row summarise(const entry& what, const std::vector<repeat>& repeats) {
  row made{.name = what.name, .unit = what.unit, .goal = what.goal};
  std::vector<double> values;
  std::vector<double> limits;
  std::vector<double> ratios;
  std::vector<double> gaps;
  std::vector<double> ping_pongs;
  for (const repeat& each : repeats) {
    values.push_back(each.value);
    if (each.limit) limits.push_back(*each.limit);
    if (each.limit && *each.limit > 0) ratios.push_back(each.value / *each.limit);
    if (each.gap_cpu) gaps.push_back(*each.gap_cpu);
    ping_pongs.insert(ping_pongs.end(), each.ping_pongs.begin(), each.ping_pongs.end());
  }
  made.ping_pong_ns = median(ping_pongs);
  if (!values.empty()) made.value = median(values);
  if (!limits.empty()) made.limit = median(limits);
  if (!gaps.empty()) made.gap_cpu = median(gaps);
  if (made.value && !ratios.empty() && *made.limit > 0 && !is_noisy(made)) {
    made.ratio = *made.value / *made.limit;
    made.lowest_ratio = *std::min_element(ratios.begin(), ratios.end());
    made.highest_ratio = *std::max_element(ratios.begin(), ratios.end());
  }
  return made;
}

verdict judge(const row& of) {
  if (!of.value) return verdict::failed;
  if (!has_ratio(of.goal) && !of.goal.value_below) return verdict::none;
  if (has_ratio(of.goal) && is_noisy(of)) return verdict::noisy;
  if (has_ratio(of.goal) && !of.ratio) return verdict::failed;
  if (of.goal.ratio_at_most && *of.ratio > *of.goal.ratio_at_most) return verdict::missed;
  if (of.goal.ratio_at_least && *of.ratio < *of.goal.ratio_at_least) return verdict::missed;
  const auto& bound = of.goal.value_counts_where_limit_at_most;
  const bool value_counts = of.goal.value_below && (!bound || (of.limit && *of.limit <= *bound));
  if (value_counts && *of.value >= *of.goal.value_below) return verdict::missed;
  if (of.gap_cpu && *of.gap_cpu > busiest_gap) return verdict::missed;
  return verdict::ok;
}

std::string words(const goal& of, const std::string& unit) {
  std::string text;
  const auto also = [&](const std::string& more) { text += (text.empty() ? "" : ", ") + more; };
  if (of.ratio_at_most) also("<= " + short_number(*of.ratio_at_most) + " x");
  if (of.ratio_at_least) also(">= " + short_number(*of.ratio_at_least) + " x");
  if (of.value_below) also("< " + short_number(*of.value_below) + " " + unit);
  if (of.value_counts_where_limit_at_most) {
    text += " where the limit is <= " + short_number(*of.value_counts_where_limit_at_most);
  }
  return text.empty() ? "-" : text;
}

void print_table(std::ostream& to, const std::vector<row>& rows) {
  std::vector<std::vector<std::string>> cells{{"name", "value", "unit", "limit", "ratio", "target", ""}};
  for (const row& each : rows) {
    cells.push_back({each.name, number_or_dash(each.value), each.unit, number_or_dash(each.limit),
                     number_or_dash(each.ratio), words(each.goal, each.unit), name_of(judge(each))});
  }
  std::vector<std::size_t> widths(cells[0].size(), 0);
  for (const auto& line : cells) {
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  }
  for (std::size_t at = 0; at < cells.size(); ++at) {
    for (std::size_t i = 0; i < cells[at].size(); ++i) {
      const bool right = i == 1 || i == 3 || i == 4;
      to << (i == 0 ? "" : "  ") << (right ? std::right : std::left) << std::setw(static_cast<int>(widths[i]))
         << cells[at][i];
    }
    if (at > 0) to << "  " << notes(rows[at - 1]);
    to << '\n';
  }

  std::vector<double> ping_pongs;
  std::size_t noisy = 0;
  for (const row& each : rows) {
    if (each.ping_pong_ns > 0) ping_pongs.push_back(each.ping_pong_ns);
    if (is_noisy(each)) ++noisy;
  }
  if (ping_pongs.empty()) return;
  to << "raw ping-pong between the benchmarks: " << number(median(ping_pongs)) << " ns";
  if (noisy > 0) {
    to << "; too noisy a machine (over " << short_number(noisy_ping_pong_ns) << " ns) for " << noisy << " of "
       << rows.size() << ", which have no ratio";
  }
  to << '\n';
}

void print_json(std::ostream& to, const std::vector<row>& rows) {
  to << "[";
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const row& each = rows[i];
    to << (i == 0 ? "\n" : ",\n") << R"(  {"name": ")" << each.name << R"(", "value": )" << json_number(each.value)
       << R"(, "unit": ")" << each.unit << R"(", "limit": )" << json_number(each.limit) << R"(, "ratio": )"
       << json_number(each.ratio) << "}";
  }
  to << "\n]\n";
}

}  // namespace selvage::bench

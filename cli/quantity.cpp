// See quantity.hpp.

#include "quantity.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace selvage::cli {
namespace {

/// The number at the beginning of a text, and what is left.
std::pair<double, std::string_view> leading_number(const std::string& text, const char* allowed) {
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, problem] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
  if (problem != std::errc() || !(number >= 0)) throw std::invalid_argument("'" + text + "' is not " + allowed);
  return {number, std::string_view(rest, static_cast<std::size_t>(end - rest))};
}

}  // namespace

std::chrono::nanoseconds duration_of(const std::string& text) {
  constexpr const char* allowed = "a time such as 250ms, 5s, 1.5m, 2h or 1d";
  constexpr std::array<std::pair<std::string_view, double>, 6> units{
      {{"", 1}, {"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}}};
  const auto [number, unit] = leading_number(text, allowed);
  const auto* const found = std::ranges::find(units, unit, &std::pair<std::string_view, double>::first);
  constexpr double longest = 1e9;  // seconds: beyond that nanoseconds end
  if (found == units.end() || number * found->second > longest) {
    throw std::invalid_argument("'" + text + "' is not " + allowed);
  }
  return std::chrono::nanoseconds(static_cast<std::int64_t>(number * found->second * 1e9));
}

bytes size_of(const std::string& text) {
  constexpr const char* allowed = "a size such as 512, 64k, 1.5M or 2G";
  const auto [number, unit] = leading_number(text, allowed);
  constexpr std::string_view units = "kMGT";
  double factor = 1;
  if (!unit.empty()) {
    const char letter = unit[0] == 'K' ? 'k' : unit[0];
    const auto at = units.find(letter);
    if (unit.size() != 1 || at == units.npos) throw std::invalid_argument("'" + text + "' is not " + allowed);
    factor = std::pow(1024.0, static_cast<double>(at + 1));
  }
  constexpr double largest = 1e18;
  if (number * factor > largest) throw std::invalid_argument("'" + text + "' is not " + allowed);
  return bytes{static_cast<std::uint64_t>(number * factor)};
}

unsigned jobs_of(const std::string& text, unsigned cores) {
  constexpr const char* allowed = "a number of jobs such as 4, 50%, +1 or -1";
  const bool more = text.starts_with('+');
  const bool fewer = text.starts_with('-');
  const std::string amount = more || fewer ? text.substr(1) : text;  // of which `unit` is a view
  const auto [number, unit] = leading_number(amount, allowed);
  double jobs = number;
  if (unit == "%") {
    jobs = number * cores / 100;
  } else if (!unit.empty() || number != std::floor(number)) {
    throw std::invalid_argument("'" + text + "' is not " + allowed);
  }
  constexpr double most = 120;  // workers of a pool
  if (!more && !fewer && unit.empty() && number == 0) return static_cast<unsigned>(most);
  if (number > 1e6 || (unit.empty() && number > most)) throw std::invalid_argument(text + " is more than 120");
  if (more) jobs = cores + jobs;
  if (fewer) jobs = cores - jobs;
  return static_cast<unsigned>(std::clamp(std::floor(jobs), 1.0, most));
}

}  // namespace selvage::cli

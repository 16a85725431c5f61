// The rules that need no understanding of the code: length, white space, leftovers, lead comments.

#include "tests/tidy/checks.hpp"

#include <algorithm>
#include <array>

namespace tidy {

namespace {

constexpr std::size_t most_lines = 500;
constexpr std::size_t most_columns = 120;

std::size_t columns(std::string_view line) {
  // Bytes that continue a UTF-8 character take no column.
  return static_cast<std::size_t>(
      std::ranges::count_if(line, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

bool has_word(std::string_view line, std::string_view word) {
  for (std::size_t at = line.find(word); at != std::string_view::npos; at = line.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    if ((at == 0 || !is_word(line[at - 1])) && (end == line.size() || !is_word(line[end]))) return true;
  }
  return false;
}

/// What is kept on disk says when it was made, and nothing waits by it.
bool keeps_dates(std::string_view path) {
  return path.starts_with("schema/stored_run.") || path == "store/opening.cpp" || path == "run/outcomes.cpp" ||
         path == "cli/event_log.cpp" || path == "cli/job.cpp" || path == "cli/job_log.cpp" ||
         path == "cli/store_command.cpp";
}

}  // namespace

std::vector<complaint> leftovers(const std::vector<source>& tree) {
  // Written so that this file does not complain about itself.
  constexpr std::array<std::string_view, 4> words{
      "TO"
      "DO",
      "FIX"
      "ME",
      "XX"
      "X",
      "HA"
      "CK"};
  std::vector<complaint> found;
  for (const source& file : tree) {
    const auto lines = lines_of(file.text);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      for (const std::string_view word : words) {
        if (has_word(lines[i], word)) found.push_back({file.path, i + 1, "leftover " + std::string(word)});
      }
    }
  }
  return found;
}

std::vector<complaint> file_length(const std::vector<source>& tree) {
  std::vector<complaint> found;
  for (const source& file : tree) {
    const std::size_t lines = lines_of(file.text).size();
    if (lines > most_lines) {
      found.push_back({file.path, lines, std::to_string(lines) + " lines: a file holds one mechanism"});
    }
  }
  return found;
}

std::vector<complaint> line_length(const std::vector<source>& tree) {
  std::vector<complaint> found;
  for (const source& file : tree) {
    if (!is_cpp(file)) continue;
    const auto lines = lines_of(file.text);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const std::size_t width = columns(lines[i]);
      if (width > most_columns) found.push_back({file.path, i + 1, std::to_string(width) + " columns"});
    }
  }
  return found;
}

std::vector<complaint> whitespace(const std::vector<source>& tree) {
  std::vector<complaint> found;
  for (const source& file : tree) {
    const auto lines = lines_of(file.text);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      if (lines[i].find('\t') != std::string_view::npos) found.push_back({file.path, i + 1, "a tab"});
      if (lines[i].ends_with('\r')) found.push_back({file.path, i + 1, "a carriage return"});
      if (lines[i].ends_with(' ')) found.push_back({file.path, i + 1, "white space at the end of the line"});
    }
    if (!file.text.empty() && !file.text.ends_with('\n')) {
      found.push_back({file.path, lines.size(), "no line end at the end of the file"});
    }
  }
  return found;
}

std::vector<complaint> lead_comment(const std::vector<source>& tree) {
  std::vector<complaint> found;
  for (const source& file : tree) {
    if (!is_cpp(file)) continue;
    const auto lines = lines_of(file.text);
    const bool header = !file.path.ends_with(".cpp");
    if (header && (lines.empty() || lines[0] != "#pragma once")) {
      found.push_back({file.path, 1, "a header begins with #pragma once"});
    }
    const std::size_t comment = header ? 1 : 0;
    if (lines.size() <= comment || !lines[comment].starts_with("//")) {
      found.push_back({file.path, comment + 1, "no lead comment: what this is, who calls it, what it never does"});
    }
  }
  return found;
}

std::vector<complaint> wall_clock(const std::vector<source>& tree) {
  constexpr std::array<std::string_view, 7> words{"CLOCK_REALTIME",       "CLOCK_REALTIME_COARSE", "CLOCK_TAI",
                                                  "FUTEX_CLOCK_REALTIME", "system_clock",          "gettimeofday",
                                                  "timespec_get"};
  constexpr std::array<std::string_view, 3> calls{" ::time(", "std::time(", " time(nullptr"};
  std::vector<complaint> found;
  for (const source& file : tree) {
    if (!is_cpp(file) || !is_product(file) || file.path.starts_with("include/")) continue;
    if (keeps_dates(file.path)) continue;
    const std::string code = code_only(file.text);
    const auto lines = lines_of(code);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const bool named = std::ranges::any_of(words, [&](std::string_view word) { return has_word(lines[i], word); });
      const bool called = std::ranges::any_of(
          calls, [&](std::string_view call) { return lines[i].find(call) != std::string_view::npos; });
      if (named || called) found.push_back({file.path, i + 1, "a wall clock: deadlines and waits are monotonic"});
    }
  }
  return found;
}

}  // namespace tidy

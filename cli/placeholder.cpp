// See placeholder.hpp.

#include "placeholder.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

namespace selvage::cli {
namespace {

std::string_view last_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == path.npos ? path : path.substr(slash + 1);
}

std::string_view folder_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == path.npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string_view without_extension(std::string_view path) {
  const std::string_view last = last_of(path);
  const std::size_t point = last.rfind('.');
  if (point == last.npos || point == 0) return path;
  return path.substr(0, path.size() - (last.size() - point));
}

}  // namespace

std::string shell_quoted(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted += c;
    }
  }
  return quoted + "'";
}

text_template::text_template(std::string_view text, column_names& columns) {
  const auto piece_of = [&](std::string_view name) -> std::optional<piece> {
    if (name.empty()) return part::whole;
    if (name == ".") return part::no_extension;
    if (name == "/") return part::last;
    if (name == "//") return part::folder;
    if (name == "/.") return part::last_no_extension;
    if (name == "#") return part::number;
    if (name == "%") return part::place;
    std::size_t number = 0;
    const auto [end, problem] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (problem == std::errc() && end == name.data() + name.size() && number > 0) return column{number - 1};
    if (const auto named = columns.index_of(name)) return column{*named};
    return std::nullopt;
  };
  std::string literal;
  while (!text.empty()) {
    const std::size_t close = text[0] == '{' ? text.find('}') : text.npos;
    const auto found = close == text.npos ? std::nullopt : piece_of(text.substr(1, close - 1));
    if (!found) {
      literal += text[0];
      text.remove_prefix(1);
      continue;
    }
    if (!literal.empty()) pieces_.emplace_back(std::exchange(literal, {}));
    pieces_.push_back(*found);
    text.remove_prefix(close + 1);
  }
  if (!literal.empty()) pieces_.emplace_back(std::move(literal));
}

bool text_template::has_placeholder() const noexcept {
  return std::ranges::any_of(pieces_, [](const piece& each) { return !std::holds_alternative<std::string>(each); });
}

std::string text_template::expand(const expansion& with, bool for_shell) const {
  const std::string& text = with.item.text;
  const auto value_of = [&](const piece& each) -> std::string {
    if (const auto* const from = std::get_if<column>(&each)) {
      // Without columns the item is its own first one.
      if (with.item.columns.empty()) return from->index == 0 ? text : std::string();
      return from->index < with.item.columns.size() ? with.item.columns[from->index] : std::string();
    }
    switch (std::get<part>(each)) {
      case part::whole:
        return text;
      case part::no_extension:
        return std::string(without_extension(text));
      case part::last:
        return std::string(last_of(text));
      case part::folder:
        return std::string(folder_of(text));
      case part::last_no_extension:
        return std::string(without_extension(last_of(text)));
      case part::number:
        return std::to_string(with.number);
      case part::place:
        return std::to_string(with.place);
    }
    return {};
  };
  std::string all;
  for (const piece& each : pieces_) {
    if (const auto* const literal = std::get_if<std::string>(&each)) {
      all += *literal;
    } else {
      all += for_shell ? shell_quoted(value_of(each)) : value_of(each);
    }
  }
  return all;
}

}  // namespace selvage::cli

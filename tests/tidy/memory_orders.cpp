// Every atomic access of the library spells its order, and every SYNC comment has its other end.

#include "tests/tidy/checks.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>

namespace tidy {

namespace {

std::size_t line_at(std::string_view text, std::size_t offset) {
  return static_cast<std::size_t>(std::ranges::count(text.substr(0, offset), '\n')) + 1;
}

/// What stands between the parenthesis at `open` and the one that closes it, over any number of lines.
std::string_view arguments_at(std::string_view code, std::size_t open) {
  int depth = 0;
  for (std::size_t i = open; i < code.size(); ++i) {
    if (code[i] == '(') ++depth;
    if (code[i] == ')' && --depth == 0) return code.substr(open + 1, i - open - 1);
  }
  return code.substr(open + 1);
}

struct word {
  std::string_view text;
  std::size_t offset = 0;
};

std::vector<word> words_of(std::string_view code) {
  std::vector<word> words;
  for (std::size_t i = 0; i < code.size();) {
    std::size_t end = i;
    while (end < code.size() && is_word(code[end])) ++end;
    if (end > i) words.push_back({code.substr(i, end - i), i});
    i = std::max(end, i + 1);
  }
  return words;
}

std::size_t skip_blanks(std::string_view code, std::size_t at) {
  return std::min(code.find_first_not_of(" \n", at), code.size());
}

/// The code before `offset`, without the blanks that end it.
std::string_view before(std::string_view code, std::size_t offset) {
  const std::size_t last = code.substr(0, offset).find_last_not_of(" \n");
  return last == std::string_view::npos ? std::string_view{} : code.substr(0, last + 1);
}

bool is_atomic_operation(std::string_view name) {
  constexpr std::array<std::string_view, 6> names{
      "load", "store", "exchange", "test_and_set", "atomic_thread_fence", "atomic_signal_fence"};
  return std::ranges::count(names, name) != 0 || name.starts_with("fetch_") || name.starts_with("compare_exchange_");
}

/// obj.load(), ptr->store(x), atomic_thread_fence(): where no argument names an order.
void complain_of_calls(const source& file, std::string_view code, std::vector<complaint>& found) {
  for (const word& name : words_of(code)) {
    if (!is_atomic_operation(name.text)) continue;
    const std::string_view left = before(code, name.offset);
    const bool fence = name.text.ends_with("_fence");
    if (!fence && !left.ends_with('.') && !left.ends_with("->")) continue;
    const std::size_t open = skip_blanks(code, name.offset + name.text.size());
    if (open >= code.size() || code[open] != '(') continue;
    const auto arguments = words_of(arguments_at(code, open));
    const bool ordered = std::ranges::any_of(
        arguments, [](const word& w) { return w.text.starts_with("memory_order") || w.text == "order"; });
    if (!ordered) {
      found.push_back({file.path, line_at(code, name.offset), std::string(name.text) + " without a memory order"});
    }
  }
}

/// Names declared as `std::atomic<...> name`, `word32 name`, `word64 name`, `std::atomic_flag name`.
std::set<std::string> atomics_declared(std::string_view code) {
  std::set<std::string> names;
  for (const word& type : words_of(code)) {
    std::size_t end = type.offset + type.text.size();
    if (type.text == "atomic" && end < code.size() && code[end] == '<') {
      int depth = 0;
      do {
        depth += code[end] == '<' ? 1 : code[end] == '>' ? -1 : 0;
        ++end;
      } while (depth > 0 && end < code.size());
    } else if (type.text != "word32" && type.text != "word64" && type.text != "atomic_flag") {
      continue;
    }
    const std::size_t start = skip_blanks(code, end);
    std::size_t stop = start;
    while (stop < code.size() && is_word(code[stop])) ++stop;
    const std::size_t behind = skip_blanks(code, stop);
    const bool variable =
        stop > start && behind < code.size() && std::string_view(";={[").find(code[behind]) != std::string_view::npos;
    if (variable) names.emplace(code.substr(start, stop - start));
  }
  return names;
}

bool is_bare_operator(std::string_view right) {
  constexpr std::array<std::string_view, 7> operators{"++", "--", "+=", "-=", "|=", "&=", "^="};
  if (std::ranges::any_of(operators, [&](std::string_view op) { return right.starts_with(op); })) return true;
  // An assignment ends as a statement does; an enumerator of the same name does not.
  return right.starts_with('=') && !right.starts_with("==") &&
         right.substr(std::min(right.find_first_of(";,}"), right.size())).starts_with(';');
}

/// Ends in a type, so that what follows is declared there.
bool is_declaration(std::string_view left) {
  if (left.empty() || left.ends_with("->")) return false;
  return is_word(left.back()) || std::string_view(">&*").find(left.back()) != std::string_view::npos;
}

/// counter++, ++counter, counter += 1, counter = 0 on a name that this file, or the header of its name, declares as
/// atomic.
void complain_of_operators(const source& file, std::string_view code, const std::set<std::string>& atomics,
                           std::vector<complaint>& found) {
  for (const word& name : words_of(code)) {
    if (!atomics.contains(std::string(name.text))) continue;
    const std::string_view left = before(code, name.offset);
    const bool declared = is_declaration(left);  // of the atomic itself, or of a local of the same name
    std::size_t end = name.offset + name.text.size();
    if (end < code.size() && code[end] == '[') end = std::min(code.find(']', end), code.size() - 1) + 1;
    const bool bare = left.ends_with("++") || left.ends_with("--") ||
                      (!declared && is_bare_operator(code.substr(skip_blanks(code, end))));
    if (bare) {
      found.push_back({file.path, line_at(code, name.offset), std::string(name.text) + ": an operator on an atomic"});
    }
  }
}

std::string without_extension(std::string_view path) { return std::string(path.substr(0, path.rfind('.'))); }

}  // namespace

std::vector<complaint> memory_orders(const std::vector<source>& tree) {
  std::map<std::string, std::set<std::string>> atomics;  // by path without extension: a header and its source are one
  for (const source& file : tree) {
    if (is_product(file)) atomics[without_extension(file.path)].merge(atomics_declared(code_only(file.text)));
  }
  std::vector<complaint> found;
  for (const source& file : tree) {
    if (!is_product(file)) continue;
    const std::string code = code_only(file.text);
    complain_of_calls(file, code, found);
    complain_of_operators(file, code, atomics[without_extension(file.path)], found);
  }
  return found;
}

std::vector<complaint> sync_names(const std::vector<source>& tree) {
  constexpr std::string_view mark = "SYNC ";
  std::map<std::string, std::vector<complaint>> places;
  for (const source& file : tree) {
    if (!is_product(file)) continue;
    const auto lines = lines_of(file.text);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const std::size_t comment = lines[i].find("//");
      if (comment == std::string_view::npos) continue;
      const std::size_t at = lines[i].find(mark, comment);
      if (at == std::string_view::npos) continue;
      const auto words = words_of(lines[i].substr(at + mark.size()));
      if (words.empty() || words.front().offset != 0) continue;
      const std::string name(words.front().text);
      places[name].push_back({file.path, i + 1, "SYNC " + name + " has no other end"});
    }
  }
  std::vector<complaint> found;
  for (const auto& [name, where] : places) {
    if (where.size() < 2) found.push_back(where.front());
  }
  return found;
}

}  // namespace tidy

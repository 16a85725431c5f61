// What the checks share: reading a tree, and telling code from comments. Called by the checks; never complains itself.

#include "tests/tidy/checks.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <fstream>
#include <iterator>

namespace tidy {

namespace {

constexpr std::array product_folders{"include", "base",  "schema", "shm", "worker", "supervisor",
                                     "pool",    "start", "store",  "run", "cli"};

bool is_text(const std::filesystem::path& path) {
  constexpr std::array extensions{".cpp", ".hpp", ".h", ".fbs", ".cmake", ".in", ".txt", ".md", ".json"};
  return std::ranges::count(extensions, path.extension().string()) != 0 || path.filename() == "dev";
}

bool is_skipped_folder(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  return name.starts_with('.') || name.starts_with("build") || name == "out" || name == "corpus";
}

}  // namespace

std::vector<source> read_tree(const std::filesystem::path& root) {
  std::vector<source> tree;
  for (auto entry = std::filesystem::recursive_directory_iterator(root); entry != end(entry); ++entry) {
    if (entry->is_directory()) {
      if (is_skipped_folder(entry->path())) entry.disable_recursion_pending();
    } else if (entry->is_regular_file() && is_text(entry->path())) {
      std::ifstream file(entry->path(), std::ios::binary);
      tree.push_back({.path = entry->path().lexically_relative(root).generic_string(),
                      .text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()}});
    }
  }
  std::ranges::sort(tree, {}, &source::path);
  return tree;
}

std::span<const check> checks() {
  static constexpr std::array all{
      check{"include_graph", include_graph}, check{"memory_orders", memory_orders}, check{"sync_names", sync_names},
      check{"leftovers", leftovers},         check{"file_length", file_length},     check{"line_length", line_length},
      check{"whitespace", whitespace},       check{"lead_comment", lead_comment},   check{"wall_clock", wall_clock},
  };
  return all;
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

bool is_cpp(const source& file) {
  return file.path.ends_with(".cpp") || file.path.ends_with(".hpp") || file.path.ends_with(".h");
}

std::string_view folder_of(std::string_view path) {
  const std::size_t slash = path.find('/');
  return slash == std::string_view::npos ? std::string_view{} : path.substr(0, slash);
}

bool is_product(const source& file) {
  return is_cpp(file) && std::ranges::count(product_folders, folder_of(file.path)) != 0;
}

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

std::string code_only(std::string_view text) {
  std::string code(text);
  const auto blank = [&](std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < std::min(to, code.size()); ++i) {
      if (code[i] != '\n') code[i] = ' ';
    }
  };
  // Where `what` next ends, or the end of the text.
  const auto behind = [&](std::string_view what, std::size_t from) {
    const std::size_t found = text.find(what, from);
    return found == std::string_view::npos ? text.size() : found + what.size();
  };

  std::size_t i = 0;
  while (i < text.size()) {
    std::size_t end = i + 1;
    if (text.substr(i, 2) == "//") {
      end = std::min(text.find('\n', i), text.size());
      blank(i, end);
    } else if (text.substr(i, 2) == "/*") {
      end = behind("*/", i + 2);
      blank(i, end);
    } else if (text.substr(i, 2) == "R\"") {
      const std::size_t open = std::min(text.find('(', i), text.size());
      end = behind(")" + std::string(text.substr(i + 2, open - i - 2)) + "\"", open);
      blank(i, end);
    } else if (text[i] == '"' || (text[i] == '\'' && (i == 0 || !is_word(text[i - 1])))) {  // not 1'000
      while (end < text.size() && text[end] != text[i]) end += text[end] == '\\' ? 2 : 1;
      ++end;
      blank(i + 1, end - 1);
    }
    i = end;
  }
  return code;
}

}  // namespace tidy

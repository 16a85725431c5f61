#pragma once
// The house rules that a machine can check, each a function from the sources to complaints.
//
// Called by: main.cpp, over this repository, a ctest per check; tidy_test.cpp, over trees planted to be bad.
// Never: changes a file, or knows C++ better than a line reader does: where it is wrong, write the code differently.

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tidy {

struct source {
  std::string path;  ///< from the root of the tree, with '/'
  std::string text;
};

struct complaint {
  std::string path;
  std::size_t line = 0;  ///< from 1
  std::string what;

  friend bool operator==(const complaint&, const complaint&) = default;
};

struct check {
  std::string_view name;
  std::vector<complaint> (*run)(const std::vector<source>& tree);
};

/// Every text file of the project under `root`, sorted by path. Leaves out build folders, dot folders, fuzz corpora and
/// the licence.
[[nodiscard]] std::vector<source> read_tree(const std::filesystem::path& root);

/// All there are, in a fixed order.
[[nodiscard]] std::span<const check> checks();

// rules.cpp
[[nodiscard]] std::vector<complaint> leftovers(const std::vector<source>& tree);
[[nodiscard]] std::vector<complaint> file_length(const std::vector<source>& tree);
[[nodiscard]] std::vector<complaint> line_length(const std::vector<source>& tree);
[[nodiscard]] std::vector<complaint> whitespace(const std::vector<source>& tree);
[[nodiscard]] std::vector<complaint> lead_comment(const std::vector<source>& tree);
/// The library knows the monotonic clock only: a wall clock that is stepped changes nothing.
[[nodiscard]] std::vector<complaint> wall_clock(const std::vector<source>& tree);
// include_graph.cpp
[[nodiscard]] std::vector<complaint> include_graph(const std::vector<source>& tree);
// memory_orders.cpp
[[nodiscard]] std::vector<complaint> memory_orders(const std::vector<source>& tree);
[[nodiscard]] std::vector<complaint> sync_names(const std::vector<source>& tree);

// Words shared by the checks.

/// The lines of a text, without their ends.
[[nodiscard]] std::vector<std::string_view> lines_of(std::string_view text);
[[nodiscard]] bool is_cpp(const source& file);
/// Part of the library itself: one of the folders of docs/architecture.md, or include/.
[[nodiscard]] bool is_product(const source& file);
/// The first part of the path: "shm" of "shm/lane.hpp".
[[nodiscard]] std::string_view folder_of(std::string_view path);
[[nodiscard]] bool is_word(char c);
/// The text with comments, strings and characters blanked out, every byte where it was.
[[nodiscard]] std::string code_only(std::string_view text);

}  // namespace tidy

#pragma once
// The options of the command as plain data, read out of CLI11's tables: what completions and manual pages are made of.
// Called by: completion.cpp, manual.cpp.

#include <string>
#include <vector>

namespace CLI {  // NOLINT(readability-identifier-naming): the name of theirs
class App;
}

namespace selvage::cli {

struct listed_option {
  std::string short_name{};  ///< "-j", or empty
  std::string long_name{};   ///< "--jobs", or empty
  std::string text{};
  std::string group{};
  bool takes_value = false;
  bool is_positional = false;  ///< its name is in long_name, without dashes
};

struct listed_command {
  std::string name{};
  std::string text{};
  std::vector<listed_option> options{};  ///< in the order of the table
  std::vector<listed_command> commands{};
};

[[nodiscard]] listed_command list_of(const CLI::App& app);

}  // namespace selvage::cli

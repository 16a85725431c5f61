#pragma once
// selvage store: looks at what runs have kept, and tidies it.

#include <string>

namespace CLI {  // NOLINT(readability-identifier-naming): the name of theirs
class App;
}

namespace selvage::cli {

struct store_arguments {
  std::string action{};
  std::string directory{};
  std::string run{};
  std::string key{};
  std::string format = "jsonl";
};

CLI::App* add_store(CLI::App& to, store_arguments& into);
int store_command(const store_arguments& given);

}  // namespace selvage::cli

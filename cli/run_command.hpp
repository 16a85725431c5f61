#pragma once
// selvage run: a command for each item, as a bounded run. Called by: main.cpp, which fills the options from the command
// line.

#include <string>
#include <vector>

namespace CLI {  // NOLINT(readability-identifier-naming): the name of theirs
class App;
}

namespace selvage::cli {

/// As they were given; run_command() says what is wrong with them.
struct run_arguments {
  std::vector<std::string> command{};  ///< with ::: and the items behind it
  std::string task{};                  ///< LIBRARY:NAME, in place of a command
  std::string file{};
  bool zero = false;
  std::string column_separator{};
  bool csv = false;
  bool jsonl = false;
  bool shuffle = false;
  std::string jobs = "100%";
  bool keep_order = false;
  bool group_output = false;
  bool line_buffer = false;
  bool ungroup = false;
  bool tag = false;
  bool shell = false;
  bool dry_run = false;
  bool quiet = false;
  bool json = false;
  std::string timeout{};
  std::string memory{};
  std::string cpu{};
  unsigned files = 0;
  unsigned retries = 0;
  std::string backoff = "100ms";
  std::string delay{};
  std::string free_memory{};
  std::string load{};
  std::string halt = "never";
  std::string group{};
  unsigned group_limit = 0;
  bool sandbox = false;
  std::vector<std::string> allow_read{}, allow_write{}, allow_run{}, allow_env{};
  std::vector<unsigned> allow_net{};
  std::string joblog{};
  std::string events{};
  std::string results{};
  std::string store{};
  std::string name{};
  std::string key = "{}";
  bool resume = false;
  bool fresh = false;
  bool rerun_changed = false;
  std::vector<std::string> retry{};
  bool plan = false;
  std::string exit_status = "selvage";
};

/// Adds the subcommand and its options: the one table of them.
CLI::App* add_run(CLI::App& to, run_arguments& into);

/// Returns: the exit status.
int run_command(const run_arguments& given);

}  // namespace selvage::cli

// The command `selvage`: one subcommand a file.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "completion.hpp"
#include "doctor.hpp"
#include "manual.hpp"
#include "option_list.hpp"
#include "run_command.hpp"
#include "store_command.hpp"

int main(int argc, char** argv) {
  CLI::App app("Runs code in supervised, sealed worker processes", "selvage");
  app.set_version_flag("--version", SELVAGE_VERSION);
  app.require_subcommand(1);

  selvage::cli::run_arguments arguments;
  const CLI::App* const run = selvage::cli::add_run(app, arguments);

  selvage::cli::store_arguments store_arguments;
  const CLI::App* const store = selvage::cli::add_store(app, store_arguments);

  bool json = false;
  CLI::App* const doctor = app.add_subcommand(
      "doctor", "Says what this machine can enforce; ends with 1 where strict permissions cannot be enforced");
  doctor->add_flag("--json", json, "One JSON object instead of a table");

  // For the build, and for those who install by hand.
  std::string shell, page;
  CLI::App* const completion = app.add_subcommand("completion", "Prints a shell's completions: bash, zsh or fish");
  completion->add_option("shell", shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  CLI::App* const manual = app.add_subcommand("manual", "Prints a manual page, as roff");
  manual->add_option("page", page, "selvage, or one of its commands")->required();

  // What is behind -- is a command's, and no word of it is looked at here.
  const std::vector<std::string> words(argv + 1, argv + argc);
  const auto has_name = [&](const CLI::App* each) { return each->get_name() == words[0]; };
  if (!words.empty() && !words[0].starts_with('-') && std::ranges::none_of(app.get_subcommands({}), has_name)) {
    std::cerr << "selvage: '" << words[0] << "' is none of its commands: run, store, doctor, completion, manual\n";
    return 2;
  }
  const bool is_run = !words.empty() && words[0] == "run";
  const auto ours_end = is_run ? std::find(words.begin(), words.end(), "--") : words.end();
  try {
    app.parse(std::vector<std::string>(std::make_reverse_iterator(ours_end), words.rend()));  // it wants the last first
  } catch (const CLI::ParseError& problem) {
    // Usage is 2, as for most commands; help and version are 0.
    return app.exit(problem) == 0 ? 0 : 2;
  }
  if (run->parsed()) {
    arguments.command = run->remaining();
    if (ours_end != words.end()) arguments.command.insert(arguments.command.end(), ours_end + 1, words.end());
    return selvage::cli::run_command(arguments);
  }
  try {
    if (completion->parsed()) std::cout << selvage::cli::completion_for(shell, selvage::cli::list_of(app));
    if (manual->parsed()) std::cout << selvage::cli::manual_page(page, selvage::cli::list_of(app), SELVAGE_VERSION);
  } catch (const std::invalid_argument& problem) {
    std::cerr << "selvage: " << problem.what() << '\n';
    return 2;
  }
  if (completion->parsed() || manual->parsed()) return std::cout.flush() ? 0 : 1;
  if (store->parsed()) return selvage::cli::store_command(store_arguments);
  return selvage::cli::doctor(json);
}

// The command `selvage`: one subcommand a file.

#include <CLI/CLI.hpp>

#include "doctor.hpp"

int main(int argc, char** argv) {
  CLI::App app("Runs code in supervised, sealed worker processes", "selvage");
  app.set_version_flag("--version", SELVAGE_VERSION);
  app.require_subcommand(1);

  bool json = false;
  CLI::App* const doctor = app.add_subcommand(
      "doctor", "Says what this machine can enforce; ends with 1 where strict permissions cannot be enforced");
  doctor->add_flag("--json", json, "One JSON object instead of a table");

  CLI11_PARSE(app, argc, argv);
  return selvage::cli::doctor(json);
}

// What the command makes of its option table: completions and manual pages.

#include <gmock/gmock.h>

#include <cstdlib>
#include <set>

#include "tests/cli/command.hpp"

namespace selvage::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

/// The long options that --help names.
std::set<std::string> options_in(const std::string& help) {
  std::set<std::string> found;
  std::istringstream words(help);
  for (std::string line; std::getline(words, line);) {
    if (!line.starts_with("  -")) continue;
    const std::size_t at = line.find("--");
    if (at != line.npos) found.insert(line.substr(at, line.find_first_of(" ,=", at) - at));
  }
  return found;
}

bool is_installed(const std::string& program) {
  if (std::system(("command -v " + program + " >/dev/null").c_str()) == 0) return true;
  std::printf("skipped: %s is not installed\n", program.c_str());
  return false;
}

TEST(made_files, know_every_option_of_run) {
  command_line shell;
  const auto options = options_in(shell.run({"run", "--help"}).output);
  EXPECT_GT(options.size(), 40U);
  const std::string bash = shell.run({"completion", "bash"}).output;
  const std::string zsh = shell.run({"completion", "zsh"}).output;
  const std::string fish = shell.run({"completion", "fish"}).output;
  std::string page = shell.run({"manual", "run"}).output;
  for (std::size_t at = 0; (at = page.find("\\-", at)) != page.npos;) page.erase(at, 1);
  for (const std::string& option : options) {
    EXPECT_THAT(bash, HasSubstr(option));
    EXPECT_THAT(zsh, HasSubstr("'" + option + "["));
    EXPECT_THAT(fish, HasSubstr(" -l " + option.substr(2) + " "));
    EXPECT_THAT(page, HasSubstr(option));
  }
}

TEST(made_files, complete_in_bash) {
  command_line shell;
  shell.write("selvage.bash", shell.run({"completion", "bash"}).output);
  const auto completed = [&](const std::string& words, int current) {
    const std::string script = "source selvage.bash; COMP_WORDS=(" + words +
                               "); COMP_CWORD=" + std::to_string(current) + "; _selvage; echo \"${COMPREPLY[@]}\"";
    const auto ran = shell.run({"run", "-q", "-k", "--", "bash", "-c", script, "bash"}, "x\n");
    EXPECT_EQ(ran.errors, "");
    return ran.output;
  };
  EXPECT_EQ(completed("selvage st", 1), "store\n");
  EXPECT_EQ(completed("selvage run --timeo", 2), "--timeout\n");
  EXPECT_EQ(completed("selvage store ex", 2), "explain export\n");
  EXPECT_EQ(completed("selvage store export --fo", 3), "--format\n");
  EXPECT_EQ(completed("selvage run -- touc", 3), "touch\n") << "a command stands behind --";
  EXPECT_EQ(completed("selvage run -- touch --timeo", 4), "\n") << "whose options are not ours";
}

TEST(made_files, are_what_zsh_and_fish_can_read) {
  command_line shell;
  for (const std::string name : {"zsh", "fish"}) {
    if (!is_installed(name)) continue;
    shell.write("script", shell.run({"completion", name}).output);
    const auto read = shell.run({"run", "-q", "--", name, "-n"}, "script\n");
    EXPECT_EQ(read.status, 0) << read.errors;
    EXPECT_EQ(read.errors, "");
  }
}

TEST(made_files, are_pages_that_man_shows_without_a_complaint) {
  command_line shell;
  for (const std::string page : {"selvage", "run", "store", "doctor"}) {
    const auto made = shell.run({"manual", page});
    EXPECT_EQ(made.status, 0);
    EXPECT_THAT(made.output, AllOf(HasSubstr(".SH NAME"), HasSubstr(".SH SYNOPSIS"), HasSubstr(".SH SEE ALSO")));
    if (!is_installed("man")) continue;
    shell.write("page.1", made.output);
    const auto shown =
        shell.run({"run", "-q", "--shell", "--", "MANWIDTH=80 LC_ALL=C man --warnings -l {}"}, "./page.1\n");
    EXPECT_EQ(shown.errors, "") << page;
    EXPECT_THAT(shown.output, Not(IsEmpty()));
  }
}

TEST(made_files, that_nobody_knows_are_refused) {
  command_line shell;
  EXPECT_EQ(shell.run({"completion", "tcsh"}).status, 2);
  const auto page = shell.run({"manual", "nothing"});
  EXPECT_EQ(page.status, 2);
  EXPECT_THAT(page.errors, HasSubstr("there is no command 'nothing'"));
}

}  // namespace
}  // namespace selvage::test

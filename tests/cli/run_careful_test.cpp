// What `selvage run` looks at before it runs anything, and how it says what is wrong.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <string>
#include <thread>

#include "tests/cli/command.hpp"

namespace {

using selvage::test::command_line;
using selvage::test::lines_of;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;

using words = std::vector<std::string>;

words with(words options, const words& command) {
  options.insert(options.begin(), "run");
  options.emplace_back("--");
  options.insert(options.end(), command.begin(), command.end());
  return options;
}

TEST(run_plan, says_what_the_run_would_do) {
  command_line shell;
  const words kept{"-q", "-j1", "--store", "s", "--name", "n"};
  const words fails_b{"sh", "-c", "test $0 != b"};
  const auto planned = [&](words more, const words& command) {
    more.insert(more.end(), kept.begin(), kept.end());
    more.emplace_back("--plan");
    return shell.run(with(more, command), "a\nb\nc\n");
  };
  EXPECT_EQ(planned({}, fails_b).output, "run   a\nrun   b\nrun   c\n") << "there is nothing yet";
  EXPECT_EQ(shell.run(with(kept, fails_b), "a\nb\n").status, 1);
  EXPECT_EQ(planned({"--resume"}, fails_b).output, "done  a\nagain b  (task_failed: exited with 1)\nrun   c\n");
  EXPECT_EQ(planned({"--resume", "--retry", "none"}, fails_b).output,
            "done  a\ndone  b  (task_failed: exited with 1)\nrun   c\n");
  EXPECT_EQ(planned({"--fresh"}, fails_b).output, "run   a\nrun   b\nrun   c\n");
  EXPECT_EQ(planned({"--rerun-changed"}, {"true"}).output, "run   a\nrun   b\nrun   c\n");
  const auto refused = planned({"--resume"}, {"true"});
  EXPECT_EQ(refused.status, 3);
  EXPECT_EQ(refused.output, "");
  EXPECT_THAT(refused.errors, AllOf(HasSubstr("'command' was"), HasSubstr("--rerun-changed")));
}

TEST(run_plan, of_a_damaged_store_is_an_error) {
  command_line shell;
  const words kept{"-q", "--store", "s", "--name", "n"};
  EXPECT_EQ(shell.run(with(kept, {"true"}), "a\n").status, 0);
  for (const auto& each : std::filesystem::recursive_directory_iterator(shell.folder() / "s")) {
    if (each.path().filename() == "data.mdb") std::filesystem::resize_file(each.path(), 100);
  }
  const auto planned = shell.run(with({"--plan", "--store", "s", "--name", "n"}, {"true"}), "a\n");
  EXPECT_EQ(planned.status, 4) << planned.output;
}

TEST(run_resume, tells_commands_apart_that_differ_in_their_words_alone) {
  command_line shell;
  const words kept{"-q", "--store", "s", "--name", "n", "--resume"};
  EXPECT_EQ(shell.run(with(kept, {"echo", "a b"}), "1\n").status, 0);
  EXPECT_EQ(shell.run(with(kept, {"echo", "a", "b"}), "1\n").status, 3);
  EXPECT_EQ(shell.run(with({"-q", "--store", "s", "--name", "n", "--resume", "--colsep", ","}, {"echo", "a b"}), "1\n")
                .status,
            3);
  EXPECT_EQ(shell.run(with(kept, {"echo", "a b"}), "1\n").status, 0);
}

TEST(run_items, of_csv_that_is_broken_are_named) {
  command_line shell;
  const auto refused = [&](const std::string& items, const std::string& command = "{b}") {
    return shell.run({"run", "-q", "-k", "-j1", "--csv", "--", "echo", command}, items);
  };
  EXPECT_THAT(refused("a,b\n1,\"2\n3,4\n").errors, HasSubstr("record 1: a quote is not closed: 1,\"2"));
  const auto narrow = refused("a,b\n1,2\n3\n");
  EXPECT_EQ(narrow.output, "2\n") << "what was well is done";
  EXPECT_THAT(narrow.errors, HasSubstr("record 2 has 1 columns, and 2 have names: 3"));
  EXPECT_EQ(refused("a,b\r\n1,2\r\n\r\n3,4\r\n\n").output, "2\n4\n") << "empty lines are none";
  const auto unknown = refused("a,b\n1,2\n", "{bb}");
  EXPECT_EQ(unknown.status, 2);
  EXPECT_THAT(unknown.errors, HasSubstr("--csv: {bb} is none of the columns {a}, {b}"));
  EXPECT_EQ(shell.run({"run", "-q", "--csv", "--", "awk", "{print $1; exit}", "{b}"}, "a,b\n1,stdin\n").status, 0);
}

TEST(run_items, of_a_folder_are_refused_by_its_name) {
  command_line shell;
  EXPECT_THAT(shell.run({"run", "-a", "/tmp", "--", "true"}).errors, HasSubstr("/tmp: Is a directory"));
}

TEST(run_jobs, whose_program_an_item_names_fail_by_themselves) {
  command_line shell;
  const auto ran = shell.run({"run", "-j1", "-k", "--", "{}"}, "true\nnot-there\necho\n");
  EXPECT_EQ(ran.status, 1);
  EXPECT_EQ(ran.output, "\n");
  EXPECT_THAT(ran.errors, HasSubstr("2 done, 1 failed"));
}

TEST(run_jobs, that_are_ended_at_a_limit_are_logged) {
  command_line shell;
  EXPECT_EQ(shell
                .run({"run", "-q", "-k", "-j1", "--joblog", "log", "--timeout", "1s", "--shell", "--",
                      "test {} = 1 || exec sleep 60 # a\n\ttrue"},
                     "1\n2\n")
                .status,
            1);
  const auto lines = lines_of(shell.read("log"));
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_THAT(lines[1], EndsWith("\t0\t0\t0\t0\t/bin/sh -c test '1' = 1 || exec sleep 60 # a\\n\\ttrue"));
  EXPECT_THAT(lines[2], EndsWith("\t0\t0\t-1\t9\t/bin/sh -c test '2' = 1 || exec sleep 60 # a\\n\\ttrue"));
}

TEST(run_jobs, whose_log_cannot_be_written_end_the_run) {
  command_line shell;
  const auto ran = shell.run({"run", "-q", "--joblog", "/dev/full", "--", "true"}, "1\n");
  EXPECT_EQ(ran.status, 1);
  EXPECT_THAT(ran.errors, HasSubstr("--joblog: /dev/full: No space left on device"));
}

TEST(run_interrupt, ends_what_only_looks_at_items) {
  for (const char* const option : {"--dry-run", "--csv"}) {
    command_line shell;
    ASSERT_EQ(::mkfifo((shell.folder() / "items").c_str(), 0600), 0);
    shell.start({"run", option, "-a", "items", "--", "echo", "{}"});
    std::this_thread::sleep_for(std::chrono::milliseconds(200));  // it waits for somebody to open the other end
    ::kill(shell.pid(), SIGINT);
    EXPECT_EQ(shell.wait().status, 1000 + SIGINT);
  }
}

TEST(run_status, of_a_command_that_is_not_there_or_may_not_run_is_2) {
  command_line shell;
  const auto bogus = shell.run({"bogus"});
  EXPECT_EQ(bogus.status, 2);
  EXPECT_THAT(bogus.errors, HasSubstr("'bogus' is none of its commands"));
  const auto sealed = shell.run({"run", "--sandbox", "--", "true"}, "1\n");
  EXPECT_EQ(sealed.status, 2);
  EXPECT_THAT(sealed.errors, HasSubstr("--sandbox: no program may be run; --allow-run"));
}

TEST(run_status, of_more_jobs_than_there_can_be_is_2) {
  command_line shell;
  EXPECT_THAT(shell.run({"run", "-j", "99999999999", "--", "true"}).errors, HasSubstr("--jobs: 99999999999 is more"));
  EXPECT_EQ(shell.run({"run", "-q", "-j0", "-k", "--", "echo"}, "1\n2\n").output, "1\n2\n");
}

}  // namespace

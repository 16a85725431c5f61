// Jobs are kept apart: what one does with its output, or leaves running, touches no other.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/cli/command.hpp"

namespace {

using selvage::test::command_line;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(run_apart, a_job_that_opens_its_output_anew_cuts_off_nothing) {
  command_line shell;
  const auto ran = shell.run({"run", "-q", "-j1", "-k", "--shell", "--",
                              "case {} in 1) head -c 100000 /dev/zero;; 2) echo two; echo more > /dev/stdout; "
                              "echo err >&2; echo more > /dev/stderr;; *) echo {};; esac"},
                             "1\n2\n3\n4\n");
  EXPECT_EQ(ran.status, 0) << ran.errors;
  std::string expected(100'000, '\0');
  expected += "two\nmore\n3\n4\n";
  EXPECT_TRUE(ran.output == expected) << ran.output.size() << " bytes, not " << expected.size();
  EXPECT_EQ(ran.errors, "err\nmore\n");
}

TEST(run_apart, what_a_job_leaves_running_ends_with_it) {
  command_line shell;
  const auto ran = shell.run({"run", "-q", "-j1", "-k", "--shell", "--",
                              "(for i in 1 2 3 4 5 6 7 8 9; do sleep 0.1; echo late {}; echo late >> late; done) & "
                              "test {} = 1 || sleep 0.5; echo {}"},
                             "1\n2\n");
  EXPECT_EQ(ran.status, 0) << ran.errors;
  EXPECT_THAT(ran.output, StartsWith("1\n"));
  EXPECT_EQ(ran.output.find("late 1"), ran.output.npos) << ran.output;
  EXPECT_THAT(ran.output, HasSubstr("late 2\n")) << "while the job runs it is the job's";
}

TEST(run_apart, what_has_got_away_and_writes_for_ever_holds_up_nobody) {
  command_line shell;
  const auto ran = shell.run({"run", "-q", "-j1", "-k", "--shell", "--",
                              "setsid sh -c 'while :; do echo away; done' & sleep 0.2; echo done {} >&2"},
                             "1\n2\n");
  EXPECT_EQ(ran.status, 0) << ran.errors;
  EXPECT_EQ(ran.errors, "done 1\ndone 2\n");
}

TEST(run_apart, a_signal_to_its_whole_group_ends_a_job_alone) {
  command_line shell;
  const auto ran =
      shell.run({"run", "-j1", "-k", "--shell", "--", "test {} = 2 && kill -TERM 0; echo {}"}, "1\n2\n3\n");
  EXPECT_EQ(ran.status, 1);
  EXPECT_EQ(ran.output, "1\n3\n");
  EXPECT_THAT(ran.errors, HasSubstr("1 ended by SIGTERM, the first: 2\n"));
}

TEST(run_apart, a_folder_for_output_that_is_not_there_is_named) {
  command_line shell;
  const auto ran =
      shell.run({"run", "-j1", "--", "sh", "-c", "TMPDIR=/not/there $0 run -- echo ::: a", SELVAGE_COMMAND}, "1\n");
  EXPECT_THAT(ran.errors, HasSubstr("/not/there: no file can be made for the output of jobs: No such file"));
}

}  // namespace

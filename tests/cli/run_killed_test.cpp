// What jobs have written that were killed: it is told like that of the others.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/cli/command.hpp"

namespace {

using selvage::test::command_line;
using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(run_killed_jobs, are_heard_up_to_their_end) {
  command_line shell;
  const auto ran = shell.run({"run", "-k", "-j1", "--results", "kept", "--timeout", "3s", "--shell", "--",
                              "echo out {}; echo err {} >&2; test {} = 2 && sleep 60; true"},
                             "1\n2\n3\n");
  EXPECT_EQ(ran.status, 1);
  EXPECT_EQ(ran.output, "out 1\nout 2\nout 3\n");
  EXPECT_THAT(ran.errors, AllOf(HasSubstr("err 1\n"), HasSubstr("err 2\n"), HasSubstr("err 3\n")));
  EXPECT_THAT(ran.errors, AllOf(HasSubstr("1 timed_out, the first: 2: "), HasSubstr(": err 2\n")));
  EXPECT_EQ(shell.read("kept/2/stdout"), "out 2\n");
  EXPECT_EQ(shell.read("kept/2/stderr"), "err 2\n");
  EXPECT_EQ(shell.read("kept/3/stdout"), "out 3\n");
}

TEST(run_killed_jobs, are_heard_whole_however_much_they_have_written) {
  command_line shell;
  const auto ran = shell.run({"run", "-k", "-j2", "--tag", "--timeout", "5s", "--shell", "--",
                              "yes {} | head -n 100000; test {} = 1 && sleep 60; true"},
                             "1\n2\n1\n");
  std::string expected;
  for (const char* const item : {"1", "2", "1"}) {
    for (int line = 0; line < 100'000; ++line) expected.append(item).append("\t").append(item).append("\n");
  }
  EXPECT_TRUE(ran.output == expected) << ran.output.size() << " bytes, not " << expected.size();
  EXPECT_THAT(ran.errors, HasSubstr("2 timed_out"));
}

TEST(run_killed_jobs, are_heard_once_where_they_were_tried_again) {
  command_line shell;
  const auto ran =
      shell.run({"run", "-k", "-j1", "--retries", "1", "--backoff", "1ms", "--timeout", "2s", "--shell", "--",
                 "echo x >> count{}; echo attempt $(wc -l < count{}); test {} = 1 && sleep 60; true"},
                "1\n2\n");
  EXPECT_EQ(ran.status, 1);
  EXPECT_EQ(ran.output, "attempt 2\nattempt 1\n");
}

TEST(run_killed_jobs, that_fail_by_themselves_at_last_are_not_heard_twice) {
  command_line shell;
  const auto ran = shell.run({"run", "-j1", "--retries", "1", "--backoff", "1ms", "--timeout", "2s", "--shell", "--",
                              "echo x >> count; echo attempt $(wc -l < count); test $(wc -l < count) = 1 && sleep 60; "
                              "echo why >&2; exit 3"},
                             "1\n");
  EXPECT_EQ(ran.output, "attempt 2\n");
  EXPECT_THAT(ran.errors, HasSubstr("1 exited with 3, the first: 1: why\n"));
}

TEST(run_killed_jobs, that_had_not_begun_have_left_nothing) {
  command_line shell;
  std::string items = "1\n";
  items.append(std::size_t{100} << 20U, 'x');  // more than a worker is sent
  const auto ran = shell.run({"run", "-q", "-j1", "--shell", "--", ": {}; head -c 100000 /dev/zero"}, items);
  EXPECT_EQ(ran.status, 1);
  EXPECT_EQ(ran.output, std::string(100'000, '\0'));
}

}  // namespace

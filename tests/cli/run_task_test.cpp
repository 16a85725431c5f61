// `selvage run --task`: native tasks of a module over lines.

#include <gmock/gmock.h>

#include "tests/cli/command.hpp"

namespace selvage::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const std::string obey = std::string(SELVAGE_TEST_MODULE) + ":obey";

TEST(run_task, makes_a_line_of_each_item) {
  command_line shell;
  std::string numbers, backwards;
  for (int i = 1; i <= 5'000; ++i) {
    const std::string number = std::to_string(i);
    numbers += number + "\n";
    backwards += std::string(number.rbegin(), number.rend()) + "\n";
  }
  const auto ran = shell.run({"run", "-k", "-j2", "--task", obey}, numbers);
  EXPECT_EQ(ran.status, 0) << ran.errors;
  EXPECT_EQ(ran.output, backwards);
  EXPECT_THAT(ran.errors, HasSubstr("5000 done"));
}

TEST(run_task, loses_an_item_and_no_other_to_whatever_it_does) {
  command_line shell;
  const auto ran = shell.run({"run", "-k", "-j2", "--timeout", "300ms", "--events", "events", "--task", obey},
                             "ab\ncrash\ncd\nhang\nthrow no luck\nef\n");
  EXPECT_EQ(ran.status, 1);
  EXPECT_EQ(ran.output, "ba\ndc\nfe\n");
  EXPECT_THAT(ran.errors, AllOf(HasSubstr("1 crashed, the first: crash: "), HasSubstr("1 timed_out, the first: hang: "),
                                HasSubstr("1 task_failed, the first: throw no luck: ")));
  EXPECT_THAT(shell.read("events"), HasSubstr(R"("item":"crash","outcome":"crashed")"));
}

TEST(run_task, is_in_the_sandbox_and_has_what_is_allowed) {
  command_line shell;
  shell.write("secret", "told\n");
  auto ran = shell.run({"run", "-q", "--task", obey}, "read secret\n");
  EXPECT_EQ(ran.output, "errno 13\n");
  ran = shell.run({"run", "-q", "--allow-read", ".", "--task", obey}, "read secret\n");
  EXPECT_EQ(ran.output, "told\n") << ran.errors;
}

TEST(run_task, is_resumed_by_key) {
  command_line shell;
  std::vector<std::string> line{"run", "-k", "--store", "s", "--name", "n", "--resume", "--task", obey};
  EXPECT_EQ(shell.run(line, "ab\ncd\n").output, "ba\ndc\n");
  const auto again = shell.run(line, "ab\ncd\nef\n");
  EXPECT_EQ(again.output, "ba\ndc\nfe\n");
  EXPECT_THAT(again.errors, HasSubstr("3 done, 2 of these before"));
  line.back() = std::string(SELVAGE_TEST_MODULE) + ":shout";
  const auto other = shell.run(line, "ab\n");
  EXPECT_EQ(other.status, 3);
  EXPECT_THAT(other.errors, HasSubstr("task"));
  line.insert(line.begin() + 1, "--plan");
  const auto planned = shell.run(line, "ab\n");
  EXPECT_EQ(planned.status, 3);
  EXPECT_THAT(planned.errors, HasSubstr("'task' was 'obey' and is 'shout'"));
}

TEST(run_task, has_items_of_json_as_they_are) {
  command_line shell;
  const auto ran =
      shell.run({"run", "-k", "-q", "--jsonl", "--store", "s", "--name", "n", "--key", "{id}", "--task", obey},
                "{\"id\":1}\n\"x\"\n");
  EXPECT_EQ(ran.status, 1);
  EXPECT_EQ(ran.output, "}1:\"di\"{\n");
  EXPECT_THAT(ran.errors, HasSubstr("item 2 has no field 'id'"));
}

TEST(run_task, that_is_not_there_or_is_another_one_is_127) {
  command_line shell;
  const auto told = [&](const std::string& task) {
    const auto ran = shell.run({"run", "--task", task}, "a\n");
    EXPECT_EQ(ran.status, 127) << ran.errors;
    return ran.errors;
  };
  EXPECT_THAT(told("/no/such/lib.so:x"), HasSubstr("/no/such/lib.so"));
  EXPECT_THAT(told(std::string(SELVAGE_TEST_MODULE) + ":none"), HasSubstr("it has no task 'none', only: shout, add"));
  EXPECT_THAT(told(std::string(SELVAGE_TEST_MODULE) + ":add"), HasSubstr("int (int, int)"));
}

TEST(run_task, goes_with_no_option_of_commands) {
  command_line shell;
  for (const std::vector<std::string>& more : std::vector<std::vector<std::string>>{{"--shell"},
                                                                                    {"--ungroup"},
                                                                                    {"--line-buffer"},
                                                                                    {"--dry-run"},
                                                                                    {"--joblog", "l"},
                                                                                    {"--results", "r"},
                                                                                    {"--", "true"}}) {
    std::vector<std::string> line{"run", "--task", obey};
    line.insert(line.end(), more.begin(), more.end());
    const auto ran = shell.run(line, "a\n");
    EXPECT_EQ(ran.status, 2) << more[0];
    EXPECT_THAT(ran.errors, HasSubstr("--task: ")) << more[0];
  }
  EXPECT_EQ(shell.run({"run", "--task", "library"}, "a\n").status, 2);
}

}  // namespace
}  // namespace selvage::test

// The options of `selvage run` that say when jobs start, what items are, and where what they write goes.

#include <gmock/gmock.h>

#include <chrono>
#include <set>
#include <thread>

#include "tests/cli/command.hpp"

namespace selvage::test {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

using words = std::vector<std::string>;

// ---- items ---------------------------------------------------------------------------------------------------------

TEST(run_items, of_json_have_fields) {
  command_line shell;
  const auto ran =
      shell.run({"run", "-k", "-q", "--jsonl", "--", "printf", "%s|%s|%s|%s\\n", "{name}", "{n}", "{o.p}", "{#}"},
                "{\"name\":\"x \\\"y\\\"\",\"n\":4.5,\"o\":{\"p\":[1,\"q\"]}}\n\n"
                "{\"o\":{\"p\":true},\"n\":-7,\"name\":\"\\u00e9\"}\n");
  EXPECT_EQ(ran.status, 0) << ran.errors;
  EXPECT_EQ(ran.output, "x \"y\"|4.5|[1,\"q\"]|1\n\xc3\xa9|-7|true|2\n");
}

TEST(run_items, of_json_may_be_text_or_lists) {
  command_line shell;
  const auto ran = shell.run({"run", "-k", "-q", "--jsonl", "--", "echo", "{1}", "{}"}, "\"a\\tb\"\n[\"c\",5]\n");
  EXPECT_EQ(ran.output, "a\tb a\tb\nc [\"c\",5]\n");
}

TEST(run_items, that_are_no_json_or_lack_a_field_end_the_run_and_are_named) {
  command_line shell;
  auto ran = shell.run({"run", "-k", "--jsonl", "--", "echo", "{a}"}, "{\"a\":1}\n{\"b\":2}\n{\"a\":3}\n");
  EXPECT_EQ(ran.status, 1);
  EXPECT_EQ(ran.output, "1\n");
  EXPECT_THAT(ran.errors, HasSubstr("item 2 has no field 'a'"));
  ran = shell.run({"run", "--jsonl", "--", "echo"}, "{\"a\":\n");
  EXPECT_EQ(ran.status, 1);
  EXPECT_THAT(ran.errors, HasSubstr("item 1 is no JSON: "));
}

TEST(run_items, may_come_in_an_order_of_chance) {
  command_line shell;
  std::string numbers;
  for (int i = 0; i < 200; ++i) numbers += std::to_string(i) + "\n";
  const auto ran = shell.run({"run", "-k", "-q", "--shuf", "--", "echo"}, numbers);
  EXPECT_NE(ran.output, numbers);
  const auto seen = lines_of(ran.output);
  EXPECT_EQ(seen.size(), 200U);
  EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), 200U);
}

TEST(run_items, with_a_zero_byte_fail_and_are_not_cut) {
  command_line shell;
  const auto ran = shell.run({"run", "-k", "--", "echo"}, std::string_view("a\0b\nc\n", 6));
  EXPECT_EQ(ran.status, 1);
  EXPECT_EQ(ran.output, "c\n");
  EXPECT_THAT(ran.errors, HasSubstr("an argument has a zero byte"));
}

TEST(run_items, that_are_too_long_for_a_command_fail_by_themselves) {
  command_line shell;
  const auto ran = shell.run({"run", "-k", "--", "echo"}, "a\n" + std::string(3'000'000, 'x') + "\nc\n");
  EXPECT_EQ(ran.status, 1);
  EXPECT_EQ(ran.output, "a\nc\n");
  EXPECT_THAT(ran.errors, HasSubstr("Argument list too long"));
}

// ---- when jobs start, and how long they take -----------------------------------------------------------------------

TEST(run_pace, keeps_a_distance_between_starts) {
  command_line shell;
  const auto ran = shell.run({"run", "-j4", "-q", "--delay", "60ms", "--joblog", "log", "--", "true"}, "1\n2\n3\n4\n");
  EXPECT_EQ(ran.status, 0) << ran.errors;
  std::vector<double> starts;
  const auto lines = lines_of(shell.read("log"));
  for (std::size_t i = 1; i < lines.size(); ++i) {
    std::istringstream columns(lines[i]);
    std::string sequence, host;
    double start = 0;
    columns >> sequence >> host >> start;
    starts.push_back(start);
  }
  ASSERT_EQ(starts.size(), 4U);
  std::sort(starts.begin(), starts.end());
  // A job's own clock begins a little after it was let go, so the distance between two of them may be a little less.
  EXPECT_GE(starts.back() - starts.front(), 0.1) << "no time is asserted but that which it was told to wait";
}

TEST(run_pace, ends_what_takes_much_longer_than_the_others) {
  command_line shell;
  const auto ran =
      shell.run({"run", "-j2", "--timeout", "2000%", "--shell", "--", "test {} = 1 && sleep 60; sleep 0.02"},
                "1\n2\n3\n4\n5\n6\n");
  EXPECT_EQ(ran.status, 1);
  EXPECT_THAT(ran.errors, AllOf(HasSubstr("1 timed_out, the first: 1: "), HasSubstr("5 done, 1 failed")));
}

TEST(run_pace, waits_for_memory_and_load_and_ends_at_a_signal) {
  command_line shell;
  EXPECT_EQ(shell.run({"run", "-q", "--memfree", "1M", "--load", "100000%", "--", "echo"}, "a\n").output, "a\n");
  for (const words& never : {words{"--memfree", "1000000G"}, words{"--load", "0.5"}}) {
    words all{"run", "-q", never[0], never[1], "--", "touch", "started"};
    shell.start(all, "a\n");
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    ::kill(shell.pid(), SIGTERM);
    if (never[0] == "--memfree") {
      EXPECT_EQ(shell.wait().status, 128 + SIGTERM);
      EXPECT_FALSE(std::filesystem::exists(shell.folder() / "started"));
    } else {
      (void)shell.wait();  // an idle machine may have had less than that for a moment
    }
  }
}

// ---- output --------------------------------------------------------------------------------------------------------

TEST(run_output, comes_in_whole_lines_as_it_comes) {
  command_line shell;
  // Each waits for a file that the other makes after its first line, so that they must be seen in between.
  const auto ran = shell.run({"run", "-j2", "-q", "--line-buffer", "--tag", "--", "sh", "-c",
                              "printf one; echo ' line'; touch $0; until test -e a -a -e b; do sleep 0.01; done; "
                              "printf tail; echo err >&2"},
                             "a\nb\n");
  EXPECT_EQ(ran.status, 0) << ran.errors;
  const auto lines = lines_of(ran.output);
  ASSERT_EQ(lines.size(), 4U) << ran.output;
  EXPECT_THAT(lines, UnorderedElementsAre("a\tone line", "b\tone line", "a\ttail", "b\ttail"));
  EXPECT_THAT(lines[0], HasSubstr("one line"));
  EXPECT_THAT(lines[1], HasSubstr("one line"));
  EXPECT_THAT(lines_of(ran.errors), UnorderedElementsAre("a\terr", "b\terr"));
}

TEST(run_output, of_many_lines_at_once_is_never_torn) {
  command_line shell;
  const auto ran = shell.run({"run", "-j4", "-q", "--line-buffer", "--", "sh", "-c",
                              "i=0; while [ $i -lt 300 ]; do echo $0$0$0$0$0$0$0$0$0$0; i=$((i+1)); done"},
                             "aaaaaaaaaa\nbbbbbbbbbb\ncccccccccc\ndddddddddd\n");
  const auto lines = lines_of(ran.output);
  EXPECT_EQ(lines.size(), 1'200U);
  for (const auto& line : lines) EXPECT_EQ(line, std::string(100, line.empty() ? '?' : line[0]));
}

TEST(run_output, as_it_comes_does_not_wait_for_what_a_job_leaves_behind) {
  command_line shell;
  const auto ran = shell.run({"run", "-q", "--line-buffer", "--", "sh", "-c", "sleep 60 & echo done"}, "a\n");
  EXPECT_EQ(ran.output, "done\n");
}

TEST(run_output, is_kept_for_resuming_however_it_was_shown) {
  command_line shell;
  const words line{"run", "-q", "--line-buffer", "--store", "s", "--name", "n", "--resume", "--", "echo"};
  EXPECT_EQ(shell.run(line, "a\n").output, "a\n");
  EXPECT_EQ(shell.run(line, "a\n").output, "a\n");
}

TEST(run_output, goes_to_files_of_its_own_as_well) {
  command_line shell;
  const auto ran =
      shell.run({"run", "-k", "--results", "deep/er", "--", "sh", "-c", "head -c $0 /dev/zero; echo e$0 >&2; exit 4"},
                "0\n200000\n");
  EXPECT_EQ(ran.status, 1);
  EXPECT_EQ(ran.output.size(), 200'000U) << "and is shown all the same";
  EXPECT_EQ(shell.read("deep/er/1/stdout"), "");
  EXPECT_EQ(shell.read("deep/er/2/stdout"), std::string(200'000, '\0'));
  EXPECT_EQ(shell.read("deep/er/2/stderr"), "e200000\n");
  EXPECT_THAT(shell.read("deep/er/2/job.json"),
              AllOf(HasSubstr(R"("number":2,"item":"200000")"), HasSubstr(R"("exit":4)")));
}

TEST(run_output, that_cannot_be_kept_ends_the_run_by_name) {
  command_line shell;
  shell.write("file", "");
  const auto ran = shell.run({"run", "-q", "--results", "file/in", "--", "true"}, "a\n");
  EXPECT_EQ(ran.status, 1);
  EXPECT_THAT(ran.errors, HasSubstr("--results: file/in: Not a directory"));
}

TEST(run_output, may_be_told_to_programs) {
  command_line shell;
  const auto ran = shell.run({"run", "-j1", "-q", "--events", "events", "--timeout", "1s", "--shell", "--",
                              "test {} != late || sleep 60; printf '%s' {}; exit $(test {} = bad && echo 3 || echo 0)"},
                             "good\nbad\nlate\n\"q\n");
  EXPECT_EQ(ran.status, 1);
  std::vector<std::string> jobs;
  const auto events = lines_of(shell.read("events"));
  for (const std::string& event : events) {
    EXPECT_THAT(event, StartsWith(R"({"v":1,"event":")"));
    EXPECT_EQ(event.back(), '}');
    if (event.find(R"("event":"job")") != event.npos) jobs.push_back(event);
  }
  ASSERT_EQ(jobs.size(), 4U);
  EXPECT_THAT(jobs[0], AllOf(HasSubstr(R"("item":"good","outcome":"done")"), HasSubstr(R"("output_bytes":4)")));
  EXPECT_THAT(jobs[1], AllOf(HasSubstr(R"("item":"bad","outcome":"failed")"), HasSubstr(R"("exit":3)")));
  EXPECT_THAT(jobs[2], AllOf(HasSubstr(R"("item":"late","outcome":"timed_out")"), HasSubstr(R"("message":")")));
  EXPECT_THAT(jobs[3], HasSubstr(R"("item":"\"q")"));
  EXPECT_THAT(shell.read("events"), HasSubstr(R"("event":"worker")"));
  EXPECT_THAT(events.back(), AllOf(HasSubstr(R"("event":"end")"), HasSubstr(R"("succeeded":2,"failed":2)")));
}

// ---- what GNU parallel lists for tests of other tools, beyond what run_test.cpp has ---------------------------------

TEST(run_list, a_full_disk_fails_the_job_whose_output_it_cuts) {
  command_line shell;
  // A disk of its own, in a mount namespace of its own.
  shell.write("small.sh",
              "mkdir -p small && mount -t tmpfs -o size=200k none small && TMPDIR=$PWD/small exec \"$@\"\n");
  if (shell.run({"run", "-q", "--", "unshare", "-m", "sh", "small.sh", "true"}, "x\n").status != 0)
    GTEST_SKIP() << "skipped: no filesystem can be mounted here";
  const auto ran = shell.run({"run", "-q", "-u", "--shell", "--",
                              "unshare -m sh small.sh " SELVAGE_COMMAND
                              " run -k -j1 -- sh -c 'head -c $0 /dev/zero 2>/dev/null; exit 0' ::: 10 1000000 {}"},
                             "20\n");
  EXPECT_EQ(ran.status, 1) << ran.errors;
  EXPECT_THAT(ran.errors, HasSubstr("1 wrote more than there is room for (output waits"));
  EXPECT_THAT(ran.errors, HasSubstr("2 done, 1 failed")) << "the room is given back to those behind it";
}

TEST(run_list, an_item_of_any_size_is_an_error_or_an_argument) {
  command_line shell;
  shell.write("huge", "");
  std::filesystem::resize_file(shell.folder() / "huge", std::uintmax_t{300} << 20U);  // one line without an end
  const auto ran = shell.run({"run", "-a", "huge", "--", "true"});
  EXPECT_EQ(ran.status, 1);
  EXPECT_THAT(ran.errors, HasSubstr("a record is longer than 268435456 bytes"));
}

TEST(run_list, many_jobs_behind_a_slow_one_take_no_memory) {
  command_line shell;
  std::string items = "1\n";
  for (int i = 0; i < 1'000; ++i) items += "0\n";
  const auto ran = shell.run({"run", "-q", "-k", "-j2", "--", "sh", "-c", "sleep $0; head -c 10000 /dev/zero"}, items);
  EXPECT_EQ(ran.status, 0) << ran.errors;
  EXPECT_EQ(ran.output.size(), 1'001U * 10'000U);
  EXPECT_LT(ran.peak_kilobytes, 64 * 1024) << "what waits for its turn is bounded";
}

// ---- what does not go together -------------------------------------------------------------------------------------

TEST(run_options, that_contradict_each_other_are_refused_by_name) {
  command_line shell;
  const auto told = [&](words more) {
    more.insert(more.begin(), "run");
    more.insert(more.end(), {"--", "true"});
    const auto ran = shell.run(more, "a\n");
    EXPECT_EQ(ran.status, 2) << ran.errors;
    return ran.errors;
  };
  EXPECT_THAT(told({"--line-buffer", "-k"}), HasSubstr("--line-buffer: "));
  EXPECT_THAT(told({"--line-buffer", "--ungroup"}), HasSubstr("at most one of them"));
  EXPECT_THAT(told({"--results", "r", "--ungroup"}), HasSubstr("--results: "));
  EXPECT_THAT(told({"--jsonl", "--csv"}), HasSubstr("--jsonl: "));
  EXPECT_THAT(told({"--timeout", "50%"}), HasSubstr("--timeout: "));
  EXPECT_THAT(told({"--timeout", "x%"}), HasSubstr("--timeout: "));
  EXPECT_THAT(told({"--load", "many"}), HasSubstr("--load: "));
  EXPECT_THAT(told({"--memfree", "lots"}), HasSubstr("--memfree: "));
  EXPECT_THAT(told({"--delay", "-1s"}), HasSubstr("--delay: "));
}

}  // namespace
}  // namespace selvage::test

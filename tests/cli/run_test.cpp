// selvage run, as its users run it: items, placeholders, outputs, failures, exit statuses. Among these is what GNU
// parallel publishes for testing other tools: mixed output, special characters, composed commands, one replacement.

#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "tests/cli/command.hpp"

namespace selvage::test {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string numbers(int count) {
  std::string all;
  for (int i = 1; i <= count; ++i) all += std::to_string(i) + "\n";
  return all;
}

TEST(run_items, come_from_standard_input_a_file_or_arguments) {
  command_line shell;
  const auto piped = shell.run({"run", "-q", "-k", "--", "echo"}, "a\nb c\n\nd");
  EXPECT_EQ(piped.output, "a\nb c\n\nd\n");
  EXPECT_EQ(piped.status, 0);
  shell.write("items", "x\ny\n");
  EXPECT_EQ(shell.run({"run", "-q", "-k", "-a", "items", "--", "echo", "<{}>"}).output, "<x>\n<y>\n");
  EXPECT_EQ(shell.run({"run", "-q", "-k", "--", "echo", ":::", "1", "--two", "three words"}).output,
            "1\n--two\nthree words\n");
  EXPECT_EQ(shell.run({"run", "-q", "-k", "-0", "--", "printf", "[%s]"}, std::string("a\nb\0c\0", 6)).output,
            "[a\nb][c]");
  const auto nothing = shell.run({"run", "--", "echo"});
  EXPECT_EQ(nothing.output, "");
  EXPECT_EQ(nothing.status, 0);
}

TEST(run_items, have_columns) {
  command_line shell;
  EXPECT_EQ(shell.run({"run", "-q", "-k", "--colsep", ",", "--", "echo", "{2}-{1}-{3}"}, "a,b\nc,d,e\n").output,
            "b-a-\nd-c-e\n");
  const auto people = shell.run({"run", "-q", "-k", "--csv", "--", "printf", "%s is %s\n", "{name}", "{age}"},
                                "name,age\n\"Doe, Jane\",41\n\"say \"\"hi\"\"\nthere\",7\n");
  EXPECT_EQ(people.output, "Doe, Jane is 41\nsay \"hi\"\nthere is 7\n");
}

TEST(run_items, fill_placeholders) {
  command_line shell;
  EXPECT_EQ(shell
                .run({"run", "-q", "-k", "--", "echo", "{}", "{.}", "{/}", "{//}", "{/.}", "{#}", "{unknown}", "{"},
                     "a/b.c/d.tar.gz\n/x\nplain\n.hidden\n")
                .output,
            "a/b.c/d.tar.gz a/b.c/d.tar d.tar.gz a/b.c d.tar 1 {unknown} {\n/x /x x / x 2 {unknown} {\n"
            "plain plain plain . plain 3 {unknown} {\n.hidden .hidden .hidden . .hidden 4 {unknown} {\n");
  const auto places = shell.run({"run", "-q", "-j2", "--", "echo", "{%}"}, numbers(20));
  for (const auto& line : lines_of(places.output)) EXPECT_THAT(line, ::testing::AnyOf("1", "2"));
}

// Special characters: arguments are arguments, whatever is in them.
TEST(run_items, need_no_quoting) {
  command_line shell;
  std::string special;
  for (int c = 1; c < 256; ++c) {
    if (c != '\n') special += static_cast<char>(c);
  }
  EXPECT_EQ(shell.run({"run", "-q", "--", "printf", "%s"}, special).output, special);
  EXPECT_EQ(shell.run({"run", "-q", "--shell", "--", "printf %s {}; printf '|%s|' {}"}, "it's $HOME `x` \"\\").output,
            "it's $HOME `x` \"\\|it's $HOME `x` \"\\|");
}

// Nothing of a command is an option of ours, and nothing in it has a meaning to us.
TEST(run_items, go_to_any_command) {
  command_line shell;
  EXPECT_EQ(shell.run({"run", "-q", "--", "echo", "[a,b]", "-j", "--", "--help"}, "x\n").output,
            "[a,b] -j -- --help x\n");
  EXPECT_EQ(shell.run({"run", "-q", "echo", "-n", "--tag"}, "x\n").output, "--tag x");
  EXPECT_EQ(shell.run({"run", "-q", "--", "[", "{}", "=", "x", "]"}, "x\n").status, 0);
}

TEST(run_items, may_be_composed_commands_in_a_shell) {
  command_line shell;
  EXPECT_EQ(shell.run({"run", "-q", "-k", "--shell", "--", "echo {} | tr a-z A-Z; echo {} >&2"}, "abc\ndef\n").output,
            "ABC\nDEF\n");
}

TEST(run_output, of_one_job_stays_together) {
  command_line shell;
  const auto mixed =
      shell.run({"run", "-q", "-j4", "--", "sh", "-c", "for i in 1 2 3 4 5; do echo $0 $i; sleep 0.002; done", "{}"},
                numbers(20));
  const auto lines = lines_of(mixed.output);
  ASSERT_EQ(lines.size(), 100U);
  for (std::size_t i = 0; i < lines.size(); i += 5) {
    const std::string job = lines[i].substr(0, lines[i].find(' '));
    for (std::size_t j = 0; j < 5; ++j) EXPECT_EQ(lines[i + j], job + " " + std::to_string(j + 1));
  }
}

TEST(run_output, keeps_output_and_errors_apart) {
  command_line shell;
  const auto both = shell.run({"run", "-q", "-k", "--", "sh", "-c", "echo out $0; echo err $0 >&2", "{}"}, "1\n2\n");
  EXPECT_EQ(both.output, "out 1\nout 2\n");
  EXPECT_EQ(both.errors, "err 1\nerr 2\n");
  EXPECT_EQ(both.status, 0);
}

TEST(run_output, is_in_order_where_that_is_asked_for) {
  command_line shell;
  EXPECT_EQ(shell.run({"run", "-q", "-k", "-j3", "--", "sh", "-c", "sleep $0; echo $0", "{}"}, "0.2\n0.1\n0\n").output,
            "0.2\n0.1\n0\n");
}

TEST(run_output, of_any_size_comes_whole) {
  command_line shell;
  const auto large =
      shell.run({"run", "-q", "-k", "-j2", "--", "sh", "-c", "head -c $0 /dev/zero | tr '\\0' x; echo", "{}"},
                "70000\n0\n20000000\n65536\n65537\n");
  const auto lines = lines_of(large.output);
  ASSERT_EQ(lines.size(), 5U);
  const std::vector<std::size_t> sizes{70000, 0, 20000000, 65536, 65537};
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(lines[i], std::string(sizes[i], 'x'));
}

TEST(run_output, is_tagged_or_left_alone) {
  command_line shell;
  EXPECT_EQ(shell.run({"run", "-q", "-k", "--tag", "--", "printf", "x\ny\n{}"}, "1\n2\n").output,
            "1\tx\n1\ty\n1\t12\tx\n2\ty\n2\t2");
  const auto own = shell.run({"run", "-q", "-u", "--", "echo"}, "a\n");
  EXPECT_EQ(own.output, "a\n");
}

TEST(run_output, that_nobody_reads_ends_the_run) {
  command_line shell;
  const std::string script = std::string("yes | ") + SELVAGE_COMMAND + " run -q -- echo | head -n 2; echo done >&2";
  const auto left = shell.run({"run", "-q", "--", "sh", "-c", script, "{}"}, "1\n");
  EXPECT_EQ(left.output, "y\ny\n");
  EXPECT_EQ(left.errors, "done\n");
}

TEST(run_status, says_how_it_went) {
  command_line shell;
  EXPECT_EQ(shell.run({"run", "-q", "--", "sh", "-c", "exit {}"}, "0\n0\n").status, 0);
  EXPECT_EQ(shell.run({"run", "-q", "--", "sh", "-c", "exit {}"}, "0\n3\n").status, 1);
  EXPECT_EQ(shell.run({"run", "-q", "--exit-status", "gnu", "--", "false"}, numbers(7)).status, 7);
  EXPECT_EQ(shell.run({"run", "-q", "--exit-status", "gnu", "--", "false"}, numbers(150)).status, 101);
  EXPECT_EQ(shell.run({"run", "-q", "--exit-status", "xargs", "--", "false"}, "1\n").status, 123);
  EXPECT_EQ(shell.run({"run", "-q", "--halt", "soon,fail=1", "-j1", "--", "false"}, numbers(100)).status, 5);
  const auto missing = shell.run({"run", "-q", "--", "no-such-command"}, numbers(1000));
  EXPECT_EQ(missing.status, 127);
  EXPECT_THAT(missing.errors, HasSubstr("no-such-command: No such file or directory"));
  shell.write("plain", "x");
  EXPECT_EQ(shell.run({"run", "-q", "--", "./plain"}, "1\n").status, 126);
}

TEST(run_status, of_a_wrong_command_line_is_2) {
  command_line shell;
  const auto refused = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "run");
    const auto result = shell.run(std::move(arguments));
    EXPECT_EQ(result.status, 2) << result.errors;
    return result.errors;
  };
  EXPECT_THAT(refused({}), HasSubstr("command"));
  EXPECT_THAT(refused({"--nonsense", "--", "true"}), HasSubstr("--nonsense"));
  EXPECT_THAT(refused({"-j", "x", "--", "true"}), HasSubstr("--jobs: 'x' is not a number of jobs such as"));
  EXPECT_THAT(refused({"--timeout", "5x", "--", "true"}), HasSubstr("--timeout: '5x' is not a time such as"));
  EXPECT_THAT(refused({"--mem", "5x", "--", "true"}), HasSubstr("--mem: '5x' is not a size such as"));
  EXPECT_THAT(refused({"--halt", "later", "--", "true"}), HasSubstr("--halt: 'later'"));
  EXPECT_THAT(refused({"--group-limit", "2", "--", "true"}), HasSubstr("--group-limit: there is no --group"));
  EXPECT_THAT(refused({"--store", "s", "--", "true"}), HasSubstr("--store: it goes with --name"));
  EXPECT_THAT(refused({"--resume", "--", "true"}), HasSubstr("need a --store"));
  EXPECT_THAT(refused({"--allow-read", "/", "--", "true"}), HasSubstr("without --sandbox everything is allowed"));
  EXPECT_THAT(refused({"--retry", "sometimes", "--store", "s", "--name", "n", "--", "true"}),
              HasSubstr("--retry: 'sometimes'"));
  EXPECT_THAT(refused({"--exit-status", "x", "--", "true"}), HasSubstr("--exit-status: 'x'"));
  EXPECT_THAT(refused({"-a", "f", "--", "true", ":::", "x"}), HasSubstr("not from both"));
}

TEST(run_jobs, are_ended_at_their_limits_with_all_their_processes) {
  command_line shell;
  const auto late = shell.run({"run", "-k", "--timeout", "0.3s", "--", "sh", "-c", "echo $0; sleep $0 & wait", "{}"},
                              "0\n300\n0.01\n");
  EXPECT_THAT(late.output, AllOf(StartsWith("0\n"), EndsWith("0.01\n")));
  EXPECT_EQ(late.status, 1);
  EXPECT_THAT(late.errors, HasSubstr("1 timed_out, the first: 300: "));
  const auto busy = shell.run({"run", "--cpu", "0.2s", "--", "sh", "-c", "while :; do :; done"}, "1\n");
  EXPECT_THAT(busy.errors, HasSubstr("1 cpu_limit"));
}

TEST(run_jobs, have_as_much_memory_and_as_many_files_as_was_said) {
  command_line shell;
  const auto many = shell.run({"run", "-q", "--files", "8", "--", "sh", "-c", "[ $(ulimit -n) -lt 100 ]"}, "1\n");
  EXPECT_EQ(many.status, 0);
  EXPECT_EQ(shell.run({"run", "-q", "--mem", "32M", "--", "sh", "-c", "[ $(ulimit -d) -lt 100000 ]"}, "1\n").status, 0);
}

TEST(run_jobs, are_as_many_at_once_as_was_said) {
  command_line shell;
  for (const char* const jobs : {"1", "3", "50%", "+1", "-1", "-100"}) {
    EXPECT_EQ(shell.run({"run", "-q", "-k", "-j", jobs, "--", "echo"}, "a\nb\n").output, "a\nb\n") << jobs;
  }
}

TEST(run_jobs, are_tried_again) {
  command_line shell;
  const auto third = shell.run({"run", "-k", "--retries", "3", "--backoff", "1ms", "--", "sh", "-c",
                                "echo x >> count; [ $(wc -l < count) -ge 3 ] && echo at last"},
                               "1\n");
  EXPECT_EQ(third.output, "at last\n");
  EXPECT_EQ(third.status, 0);
  EXPECT_EQ(shell.read("count"), "x\nx\nx\n");
}

TEST(run_jobs, of_one_group_are_limited) {
  command_line shell;
  const auto grouped = shell.run({"run", "-q", "-j4", "--group", "{//}", "--group-limit", "1", "--", "sh", "-c",
                                  "d=lock-$(dirname $0); mkdir $d || echo two at once; sleep 0.02; rmdir $d", "{}"},
                                 "a/1\na/2\nb/1\na/3\nb/2\n");
  EXPECT_EQ(grouped.output, "");
  EXPECT_EQ(grouped.status, 0);
}

TEST(run_jobs, may_do_nothing_in_a_sandbox_but_what_is_allowed) {
  command_line shell;
  shell.write("secret", "s3cret");
  const std::vector<std::string> sealed{"run", "-q", "--sandbox", "--allow-run", "/bin/cat", "--", "/bin/cat"};
  const auto refused = shell.run(sealed, (shell.folder() / "secret").string() + "\n");
  if (refused.errors.find("sandbox_unavailable") != std::string::npos) GTEST_SKIP() << refused.errors;
  EXPECT_EQ(refused.status, 1);
  EXPECT_EQ(refused.output, "");
  EXPECT_THAT(refused.errors, HasSubstr("Permission denied"));
  auto open = sealed;
  open.insert(open.begin() + 3, {"--allow-read", shell.folder().string()});
  EXPECT_EQ(shell.run(open, (shell.folder() / "secret").string() + "\n").output, "s3cret");
}

TEST(run_jobs, are_only_shown_where_that_is_asked_for) {
  command_line shell;
  const auto dry = shell.run({"run", "--dry-run", "--", "touch", "{}", "it's"}, "a b\n");
  EXPECT_EQ(dry.output, "'touch' 'a b' 'it'\\''s'\n");
  EXPECT_FALSE(std::filesystem::exists(shell.folder() / "a b"));
}

TEST(run_jobs, are_logged) {
  command_line shell;
  EXPECT_EQ(shell.run({"run", "-q", "-k", "--joblog", "log", "--", "sh", "-c", "echo {}; exit {}"}, "0\n3\n").status,
            1);
  const auto lines = lines_of(shell.read("log"));
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0], "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand");
  EXPECT_THAT(lines[1], StartsWith("1\t:\t"));
  EXPECT_THAT(lines[1], ::testing::EndsWith("\t0\t2\t0\t0\tsh -c echo 0; exit 0"));
  EXPECT_THAT(lines[2], ::testing::EndsWith("\t0\t2\t3\t0\tsh -c echo 3; exit 3"));
}

TEST(run_summary, names_each_reason_with_its_first_words) {
  command_line shell;
  const auto failed =
      shell.run({"run", "-k", "--json", "--", "sh", "-c", "[ $0 != 1 ] || kill -9 $$; echo bad $0 >&2; exit $0", "{}"},
                "0\n1\n2\n2\n");
  EXPECT_THAT(failed.errors, HasSubstr("2 exited with 2, the first: 2: bad 2"));
  EXPECT_THAT(failed.errors, HasSubstr("1 ended by SIGKILL, the first: 1"));
  EXPECT_THAT(failed.errors, HasSubstr("1 done, 3 failed, in "));
  EXPECT_THAT(failed.errors, HasSubstr(R"({"items":4,"succeeded":1,"failed":3,"resumed":0,"not_run":0,)"));
}

TEST(run_resume, prints_what_is_kept_and_runs_the_rest) {
  command_line shell;
  const std::vector<std::string> kept{"run",
                                      "-q",
                                      "-k",
                                      "--store",
                                      "s",
                                      "--name",
                                      "n",
                                      "--",
                                      "sh",
                                      "-c",
                                      "echo $0 >> ran; echo out $0; [ $0 != 2 ] || [ -e mended ]",
                                      "{}"};
  const auto with = [&](const std::string& option) {
    auto more = kept;
    more.insert(more.begin() + 7, option);
    return more;
  };
  EXPECT_EQ(shell.run(kept, "1\n2\n3\n").status, 1);
  const auto refused = shell.run(kept, "1\n");
  EXPECT_EQ(refused.status, 3);
  EXPECT_THAT(refused.errors, HasSubstr("resume it, or begin afresh"));
  auto planned = with("--resume");
  planned.insert(planned.begin() + 7, "--plan");
  EXPECT_EQ(shell.run(planned, "1\n2\n4\n").output, "done  1\nagain 2  (task_failed: exited with 1)\nrun   4\n");
  shell.write("mended", "");
  const auto resumed = shell.run(with("--resume"), "1\n2\n3\n4\n");
  EXPECT_EQ(resumed.output, "out 1\nout 2\nout 3\nout 4\n");
  EXPECT_EQ(resumed.status, 0);
  auto ran = lines_of(shell.read("ran"));
  std::ranges::sort(ran);
  EXPECT_EQ(ran, (std::vector<std::string>{"1", "2", "2", "3", "4"}));
  auto other = with("--resume");
  other.back() = "x{}";
  const auto changed = shell.run(other, "1\n");
  EXPECT_EQ(changed.status, 3);
  EXPECT_THAT(changed.errors, HasSubstr("fingerprint_mismatch"));
  EXPECT_EQ(shell.run(with("--fresh"), "9\n").output, "out 9\n");
}

TEST(run_resume, goes_on_after_a_kill) {
  command_line shell;
  const std::vector<std::string> command{"run",
                                         "-q",
                                         "-k",
                                         "-j2",
                                         "--store",
                                         "s",
                                         "--name",
                                         "n",
                                         "--resume",
                                         "--",
                                         "sh",
                                         "-c",
                                         "echo $0 >> ran; echo out $0",
                                         "{}"};
  const std::string items = numbers(300);
  int kills = 0;
  for (; kills < 100; ++kills) {
    shell.start(command, items);
    std::this_thread::sleep_for(std::chrono::milliseconds(30 + kills % 7 * 20));
    ::kill(shell.pid(), SIGKILL);
    if (shell.wait().status == 0) break;
  }
  const auto last = shell.run(command, items);
  EXPECT_EQ(last.status, 0);
  std::string expected;
  for (int i = 1; i <= 300; ++i) expected += "out " + std::to_string(i) + "\n";
  EXPECT_EQ(last.output, expected);
  const auto ran = lines_of(shell.read("ran"));
  EXPECT_GE(ran.size(), 300U);
  EXPECT_LE(ran.size(), 300U + static_cast<std::size_t>(kills) * 64) << "only what was in flight is run again";
}

TEST(run_resume, is_possible_after_each_signal) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    command_line shell;
    const std::vector<std::string> command{
        "run", "-q", "-k", "-j2", "--store", "s", "--name", "n", "--resume", "--", "sh", "-c", "sleep 0.05; echo $0",
        "{}"};
    shell.start(command, numbers(40));
    shell.wait_for("stdout");  // it listens
    ::kill(shell.pid(), signal);
    const auto stopped = shell.wait();
    EXPECT_EQ(stopped.status, 128 + signal) << stopped.errors;
    const auto resumed = shell.run(command, numbers(40));
    EXPECT_EQ(resumed.status, 0);
    EXPECT_EQ(resumed.output, numbers(40));
  }
}

TEST(run_resume, lets_jobs_finish_at_the_first_interrupt_and_ends_them_at_the_second) {
  command_line shell;
  const std::vector<std::string> command{
      "run", "-q", "-j1", "--", "sh", "-c", "echo begun | tee begun$0; sleep $0; echo done", "{}"};
  shell.start(command, "1\n1\n");
  shell.wait_for("begun1");
  ::kill(shell.pid(), SIGINT);
  const auto drained = shell.wait();
  EXPECT_EQ(drained.output, "begun\ndone\n");
  EXPECT_EQ(drained.status, 128 + SIGINT);
  shell.start(command, "100\n1\n");
  shell.wait_for("begun100");
  ::kill(shell.pid(), SIGINT);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  ::kill(shell.pid(), SIGINT);
  EXPECT_EQ(shell.wait().status, 128 + SIGINT);
}

// Neither processes nor files, however it ends.
TEST(run_resume, leaves_nothing_behind_after_a_kill) {
  command_line shell;
  std::filesystem::create_directory(shell.folder() / "tmp");
  ::setenv("TMPDIR", (shell.folder() / "tmp").c_str(), 1);
  shell.start({"run", "-q", "--", "sh", "-c", "echo $$ > pid; head -c 1000000 /dev/zero; setsid sleep 100 & sleep 100"},
              "1\n");
  const auto begun = [&] { return !shell.read("pid").empty(); };
  for (int i = 0; i < 2000 && !begun(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  const int job = std::stoi(shell.read("pid"));
  EXPECT_TRUE(std::filesystem::is_empty(shell.folder() / "tmp"));
  ::kill(shell.pid(), SIGKILL);
  EXPECT_EQ(shell.wait().status, 1000 + SIGKILL);
  for (int i = 0; i < 2000 && ::kill(job, 0) == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_NE(::kill(job, 0), 0);
  EXPECT_TRUE(std::filesystem::is_empty(shell.folder() / "tmp"));
  ::unsetenv("TMPDIR");
}

TEST(store_command, says_what_is_kept) {
  command_line shell;
  ASSERT_EQ(
      shell.run({"run", "-q", "-k", "--store", "s", "--name", "my run", "--", "sh", "-c", "exit $0", "{}"}, "0\n3\n")
          .status,
      1);
  EXPECT_THAT(shell.run({"store", "ls", "s"}).output, StartsWith("my run\t2 items\t"));
  EXPECT_THAT(shell.run({"store", "show", "s", "my run"}).output, HasSubstr("command: 'sh' '-c' 'exit $0' '{}'"));
  EXPECT_THAT(shell.run({"store", "explain", "s", "my run", "3"}).output, HasSubstr("message: exited with 3"));
  EXPECT_EQ(shell.run({"store", "explain", "s", "my run", "7"}).status, 1);
  const auto exported = shell.run({"store", "export", "s", "my run"}).output;
  EXPECT_THAT(exported, HasSubstr(R"({"key":"0","outcome":"succeeded","attempts":1,"item":1,)"));
  EXPECT_THAT(shell.run({"store", "export", "s", "my run", "--format", "csv"}).output, StartsWith("key,outcome,"));
  EXPECT_EQ(shell.run({"store", "check", "s", "my run"}).output, "my run: 2 records are whole\n");
  EXPECT_EQ(shell.run({"store", "compact", "s", "my run"}).status, 0);
  EXPECT_EQ(shell.run({"store", "forget", "s", "my run"}).status, 0);
  EXPECT_EQ(shell.run({"store", "forget", "s", "my run"}).status, 1);
  EXPECT_EQ(shell.run({"store", "show", "s", "my run"}).status, 4);
  EXPECT_EQ(shell.run({"store", "ls", "nowhere"}).status, 4);
  EXPECT_EQ(shell.run({"store"}).status, 2);
}

TEST(run_progress, is_a_line_for_each_tenth_where_there_is_no_terminal) {
  command_line shell;
  const auto told = shell.run({"run", "-j2", "--", "sh", "-c", "sleep 0.05"}, numbers(20));
  EXPECT_THAT(told.errors, HasSubstr("selvage: 20 of 20 (100 %)"));
  EXPECT_THAT(told.errors, ::testing::Not(HasSubstr("\033")));
  EXPECT_EQ(shell.run({"run", "-q", "--", "true"}, "1\n").errors, "");
}

}  // namespace
}  // namespace selvage::test

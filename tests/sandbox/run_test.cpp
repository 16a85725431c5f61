// Programs that a strict worker may run: which they are, that they are as confined as the worker is, and that they go
// with it.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>

#include "base/kernel.hpp"
#include "tests/support/pool_fixture.hpp"
#include "tests/support/processes.hpp"
#include "tests/victims/victims.hpp"

namespace selvage::test {
namespace {

using ::testing::HasSubstr;

struct ended {
  int error = 0;   ///< of the start
  int status = 0;  ///< of wait
  std::string output{};
};

/// Runs `arguments` with its output and errors on a pipe.
ended run(const std::vector<std::string>& arguments) {
  ended it;
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return {.error = errno};
  posix_spawn_file_actions_t wiring;
  ::posix_spawn_file_actions_init(&wiring);
  ::posix_spawn_file_actions_adddup2(&wiring, ends[1], STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&wiring, ends[1], STDERR_FILENO);
  std::vector<char*> argv;
  for (const std::string& each : arguments) argv.push_back(const_cast<char*>(each.c_str()));
  argv.push_back(nullptr);
  pid_t child = -1;
  it.error = ::posix_spawn(&child, argv[0], &wiring, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&wiring);
  ::close(ends[1]);
  std::array<char, 4096> text{};
  for (ssize_t got = 0; (got = ::read(ends[0], text.data(), text.size())) > 0;)
    it.output.append(text.data(), static_cast<std::size_t>(got));
  ::close(ends[0]);
  if (it.error == 0) ::waitpid(child, &it.status, 0);
  return it;
}
const auto execute = selvage::task("execute", &run);

class programs : public pool_survives, public ::testing::WithParamInterface<start> {
 protected:
  void SetUp() override {
    if (base::landlock_version() < base::landlock_with_signals) GTEST_SKIP() << "no Landlock with a signal scope";
    pool_survives::SetUp();
  }
  [[nodiscard]] pool_options allowed(const permissions& given, pool_options options = {}) {
    options.start = GetParam();
    options.workers = 2;
    options.permissions = given;
    return watched(std::move(options));
  }
};
INSTANTIATE_TEST_SUITE_P(by, programs, ::testing::Values(start::fork, start::spawn),
                         [](const auto& info) { return info.param == start::fork ? "fork" : "spawn"; });

const permissions strict = permissions::strict();

TEST_P(programs, that_are_granted_run_and_no_other) {
  pool pool(allowed(strict.run("/bin/echo")), add, execute);
  const ended said = pool.call(execute, std::vector<std::string>{"/bin/echo", "hello"}).get();
  EXPECT_EQ(said.error, 0);
  EXPECT_EQ(said.status, 0);
  EXPECT_EQ(said.output, "hello\n");
  EXPECT_EQ(pool.call(execute, std::vector<std::string>{"/bin/cat", "/etc/passwd"}).get().error, EACCES);
  expect_usable(pool);
}

TEST_P(programs, below_a_granted_folder_all_run) {
  pool pool(allowed(strict.run("/usr/bin")), add, execute);
  EXPECT_EQ(pool.call(execute, std::vector<std::string>{"/usr/bin/basename", "a/b"}).get().output, "b\n");
  EXPECT_EQ(pool.call(execute, std::vector<std::string>{"/usr/bin/dirname", "a/b"}).get().output, "a\n");
}

// FAILURES rows 19 to 22: as little as the worker itself.
TEST_P(programs, are_as_confined_as_the_worker) {
  pool pool(allowed(strict.run("/bin").run("/usr/bin")), add, execute);
  const auto in_a_shell = [&](const std::string& script) {
    return pool.call(execute, std::vector<std::string>{"/bin/sh", "-c", script}).get();
  };
  EXPECT_EQ(in_a_shell("echo well; echo $((6 * 7))").output, "well\n42\n");
  EXPECT_EQ(in_a_shell("/bin/echo a | /usr/bin/tr a b").output, "b\n") << "processes of its own, and pipes";
  EXPECT_NE(in_a_shell("/bin/cat /etc/passwd").status, 0);
  EXPECT_NE(in_a_shell("echo x > /tmp/selvage-run-test").status, 0);
  EXPECT_FALSE(std::filesystem::exists("/tmp/selvage-run-test"));
  EXPECT_NE(in_a_shell("kill -0 " + std::to_string(::getpid())).status, 0) << "the host";
  for (const int pid : tests::descendants_of(::getpid())) {
    const ended tried = in_a_shell("kill -0 " + std::to_string(pid) + " && echo $PPID");
    if (tried.status != 0) continue;
    EXPECT_EQ(tried.output, std::to_string(pid) + "\n") << "its own worker, and nobody else";
  }
  EXPECT_EQ(in_a_shell("/bin/echo still here").output, "still here\n");
  expect_usable(pool);
}

// dash forks with a handler of SIGCHLD that does not restart what it interrupts.
TEST_P(programs, in_a_pipeline_all_start) {
  pool pool(allowed(strict.run("/bin").run("/usr/bin")), execute);
  for (int i = 0; i < 60; ++i) {
    const ended piped =
        pool.call(execute, std::vector<std::string>{"/bin/sh", "-c", ": | : | : | /bin/echo a | /usr/bin/tr a b"})
            .get();
    ASSERT_EQ(piped.output, "b\n") << i;
  }
}

TEST_P(programs, that_do_what_no_honest_one_does_are_ended) {
  pool pool(allowed(strict.run("/bin").run("/usr/bin")), add, execute);
  const ended parted = pool.call(execute, std::vector<std::string>{"/usr/bin/unshare", "-U", "/bin/true"}).get();
  EXPECT_TRUE(WIFSIGNALED(parted.status) && WTERMSIG(parted.status) == SIGSYS) << parted.status << parted.output;
  expect_usable(pool);
}

TEST_P(programs, under_kill_are_ended_for_every_refused_call) {
  pool pool(allowed(strict.run("/bin").run("/usr/bin"), {.on_violation = on_violation::kill}), add, execute);
  const ended changed = pool.call(execute, std::vector<std::string>{"/bin/chmod", "600", "/dev/null"}).get();
  EXPECT_TRUE(WIFSIGNALED(changed.status) && WTERMSIG(changed.status) == SIGSYS) << changed.status << changed.output;
  EXPECT_EQ(pool.call(execute, std::vector<std::string>{"/bin/echo", "hello"}).get().output, "hello\n");
  expect_usable(pool);
}

// FAILURES row 11
TEST_P(programs, are_gone_with_their_worker) {
  const auto leave = selvage::task("leave", &victims::leave_a_grandchild);
  const auto crash = selvage::task("crash", &victims::kill_itself);
  const std::size_t before = tests::descendants_of(::getpid()).size();
  pool pool(allowed(strict.run("/bin/echo")), add, leave, crash);
  for (int i = 0; i < 3; ++i) EXPECT_GT(pool.call(leave).get(), 0);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(code_of(pool.call(crash).result()), errc::crashed);
  EXPECT_TRUE(holds_in_the_end([&] { return tests::descendants_of(::getpid()).size() == before + 3; }))
      << "supervisor and two workers";
  expect_usable(pool);
}

TEST_P(programs, use_processor_time_on_their_workers_account) {
  pool pool(allowed(strict.run("/bin/sh"), {.cpu = 100ms}), add, execute);
  const auto spun = pool.call(execute, std::vector<std::string>{"/bin/sh", "-c", "while :; do :; done"}).result();
  ASSERT_EQ(code_of(spun), errc::cpu_limit);
  for (int i = 0; i < 30; ++i)
    EXPECT_TRUE(pool.call(execute, std::vector<std::string>{"/bin/sh", "-c", ": ; : ; :"}).result()) << i;
  expect_usable(pool);
}

TEST_P(programs, count_as_threads) {
  pool pool(allowed(strict.run("/bin/echo").threads(0)), add, execute);
  EXPECT_EQ(pool.call(execute, std::vector<std::string>{"/bin/echo", "hello"}).get().error, EAGAIN);
  expect_usable(pool);
}

// FAILURES row 13
TEST_P(programs, that_nobody_waits_for_use_processor_time_all_the_same) {
  const auto burn = selvage::task("burn", &victims::burn_as_an_orphan);
  pool pool(allowed(strict.run("/bin/true"), {.cpu = 200ms}), add, burn);
  EXPECT_EQ(code_of(pool.call(burn).result()), errc::cpu_limit);
  expect_usable(pool);
}

// FAILURES row 12
TEST_P(programs, have_no_more_memory_together_than_one_may) {
  const auto fill = selvage::task("fill", &victims::fill_in_children);
  pool pool(allowed(strict.run("/bin/true"), {.memory = 64_MiB}), add, fill);
  const auto outcome = pool.call(fill, 6, 32U << 20U).result();
  ASSERT_EQ(code_of(outcome), errc::out_of_memory);
  EXPECT_THAT(outcome.error().what(), HasSubstr("with the processes that it had started"));
  expect_usable(pool);
}

// FAILURES row 11
TEST_P(programs, without_a_number_of_threads_are_a_thousand_at_most) {
  const auto fork_on = selvage::task("fork_on", &victims::fork_sleepers);
  pool pool(allowed(strict.run("/bin/true")), add, fork_on);
  const auto outcome = pool.call(fork_on, 1'500).result();
  ASSERT_EQ(code_of(outcome), errc::thread_limit);
  EXPECT_THAT(outcome.error().what(), HasSubstr("it may have 1000 (permissions::threads)"));
  expect_usable(pool);
}

TEST_P(programs, stay_in_the_session_that_tells_whose_they_are) {
  const auto leave = selvage::task("leave", &victims::leave_the_session);
  pool pool(allowed(strict.run("/bin/true")), leave);
  EXPECT_EQ(pool.call(leave).get(), EPERM);
}

TEST_P(programs, that_are_not_granted_are_named_with_what_would_grant_them) {
  const auto attempt = selvage::task(
      "attempt", +[](const std::string& program) {
        const std::array<char*, 1> none = {nullptr};
        ::execve(program.c_str(), none.data(), none.data());
        throw std::runtime_error("not run");
      });
  pool pool(allowed(strict), attempt);
  const auto refused = pool.call(attempt, "/bin/true").result();
  ASSERT_EQ(code_of(refused), errc::task_failed);
  EXPECT_THAT(refused.error().what(), HasSubstr("execve(\"/bin/true\""));
  EXPECT_THAT(refused.error().what(), HasSubstr("permissions.run"));
}

}  // namespace
}  // namespace selvage::test

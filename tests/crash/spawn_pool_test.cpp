// start::spawn from its user's side: what works with a forked supervisor works with one that was started afresh.

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include <fstream>
#include <stdexcept>

#include "tests/support/child.hpp"
#include "tests/support/pool_fixture.hpp"
#include "tests/victims/victims.hpp"

namespace selvage::test {
namespace {

class spawned_pool : public pool_survives {
 protected:
  [[nodiscard]] pool_options spawning(pool_options options) {
    options.start = start::spawn;
    options.permissions = permissions::unsafe();  // tests/sandbox/ has the strict ones
    return watched(std::move(options));
  }
};

std::string shout(std::string_view text) { return std::string(text) + "!"; }
std::vector<std::byte> echo(std::span<const std::byte> given) { return {given.begin(), given.end()}; }
void complain() { throw std::range_error("out of cheese"); }
int own_pid() { return ::getpid(); }
void stay() { ::pause(); }

TEST_F(spawned_pool, calls_plain_functions_and_lambdas_without_captures) {
  const auto shouting = task("shout", &shout);
  const auto half = task("half", [](double of) { return of / 2; });
  pool pool(spawning({.workers = 2}), add, shouting, half);
  expect_usable(pool);
  EXPECT_EQ(pool.call(shouting, "hello").get(), "hello!");
  EXPECT_EQ(pool.call(half, 5.0).get(), 2.5);
}

TEST_F(spawned_pool, can_have_no_task_and_can_have_thousands) {
  { const pool none(spawning({.workers = 1})); }
  std::vector<task<int (*)(int, int)>> typed;
  for (int i = 0; i < 5000; ++i) typed.emplace_back("add-" + std::to_string(i) + std::string(200, 'x'), &add_numbers);
  pool pool(spawning({.workers = 1}), std::vector<any_task>(typed.begin(), typed.end()));
  EXPECT_EQ(pool.call(typed.front(), 1, 2).get(), 3);
  EXPECT_EQ(pool.call(typed.back(), 3, 4).get(), 7);
}

TEST_F(spawned_pool, carries_bytes_of_every_size) {
  const auto echoing = task("echo", &echo);
  pool pool(spawning({.workers = 1}), echoing);
  for (const std::size_t size : {0U, 1U, 63U, 64U, 65U, 4096U, 1U << 20U, 8U << 20U}) {
    std::vector<std::byte> bytes(size);
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 7 + i / 251);
    EXPECT_EQ(pool.call(echoing, bytes).get(), bytes) << size;
  }
}

TEST_F(spawned_pool, passes_exceptions_on) {
  const auto complaining = task("complain", &complain);
  pool pool(spawning({.workers = 1}), complaining, add);
  const auto outcome = pool.call(complaining).result();
  ASSERT_EQ(code_of(outcome), errc::task_failed);
  EXPECT_EQ(outcome.error().details().exception_type, "std::range_error");
  EXPECT_EQ(outcome.error().details().message, "out of cheese");
  expect_usable(pool);
}

TEST_F(spawned_pool, loses_one_call_to_a_crash_and_names_the_function) {
  const auto die = task("die", &victims::dereference_null);
  pool pool(spawning({.workers = 2}), add, die);
  for (int round = 0; round < 5; ++round) {
    std::vector<future<int>> sums;
    for (int i = 0; i < 20; ++i) sums.push_back(pool.call(add, i, round));
    const auto outcome = pool.call(die).result();
    ASSERT_EQ(code_of(outcome), errc::crashed);
    EXPECT_EQ(outcome.error().details().signal, SIGSEGV);
    const auto& stack = outcome.error().details().stack;
    EXPECT_TRUE(std::any_of(stack.begin(), stack.end(), [](const std::string& frame) {
      return frame.find("write_at") != frame.npos || frame.find("dereference_null") != frame.npos;
    })) << outcome.error().report();
    for (int i = 0; i < 20; ++i) EXPECT_EQ(sums[static_cast<std::size_t>(i)].get(), i + round);
  }
  expect_usable(pool);
}

TEST_F(spawned_pool, kills_a_call_that_overstays) {
  const auto spin = task("spin", &victims::spin_without_sigterm, {.timeout = 30ms});
  pool pool(spawning({.workers = 1}), add, spin);
  EXPECT_EQ(code_of(pool.call(spin).result()), errc::timed_out);
  expect_usable(pool);
}

TEST_F(spawned_pool, enforces_its_memory_limit) {
  const auto eat = task("eat", &victims::allocate_without_end);
  pool pool(spawning({.workers = 1, .memory = 32_MiB}), add, eat);
  EXPECT_EQ(code_of(pool.call(eat).result()), errc::out_of_memory);
  expect_usable(pool);
}

TEST_F(spawned_pool, recycles_without_losing_a_call) {
  const auto pid = task("pid", &own_pid);
  pool pool(spawning({.workers = 2, .recycle = {.calls = 10}}), pid);
  std::set<int> seen;
  for (int rounds = 0; rounds < 1000 && seen.size() < 10; ++rounds) {
    std::vector<future<int>> pids;
    for (int i = 0; i < 20; ++i) pids.push_back(pool.call(pid));
    for (auto& each : pids) seen.insert(each.get());
  }
  EXPECT_GE(seen.size(), 10U);
}

std::string say_and_crash(std::string_view words) {
  (void)!::write(STDERR_FILENO, words.data(), words.size());
  ::raise(SIGKILL);
  return {};
}
std::string repeat(std::uint32_t times) { return std::string(times, 'r'); }

TEST_F(spawned_pool, obeys_the_options_that_its_workers_are_told) {
  const auto crash = task("crash", &say_and_crash);
  const auto repeating = task("repeat", &repeat);
  for (const bool capture : {true, false}) {
    pool pool(spawning({.workers = 1,
                        .arena = {.maximum = 8_MiB, .growable = false},
                        .payload_cap = 100'000_B,
                        .capture_stderr = capture}),
              crash, repeating);
    EXPECT_EQ(pool.call(repeating, 100'000U).get().size(), 100'000U);
    EXPECT_EQ(code_of(pool.call(repeating, 100'001U).result()), errc::payload_too_large);
    EXPECT_EQ(pool.call(crash, "famous last words\n").result().error().details().stderr_tail,
              capture ? "famous last words\n" : "");
  }
}

// ---- hooks --------------------------------------------------------------------------------------------------------

int initialised_with = 0;
void initialise() { initialised_with = 42; }
void initialise_quietly() noexcept { initialised_with = 43; }
int read_initialised() { return initialised_with; }

TEST_F(spawned_pool, runs_a_plain_initializer_in_each_worker) {
  const auto read = task("read", &read_initialised);
  for (const auto& [hook, value] : {std::pair<std::function<void()>, int>{&initialise, 42},
                                    {&initialise_quietly, 43},
                                    {+[] { initialised_with = 44; }, 44}}) {
    pool pool(spawning({.workers = 1, .initializer = hook}), read);
    EXPECT_EQ(pool.call(read).get(), value);
  }
  EXPECT_EQ(initialised_with, 0);
}

constexpr int finalizer_fd = 77;
void finalize() { (void)!::write(finalizer_fd, "f", 1); }

TEST_F(spawned_pool, runs_a_plain_finalizer_and_inherits_descriptors_by_number) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  ASSERT_EQ(::dup3(ends[1], finalizer_fd, O_CLOEXEC), finalizer_fd);
  {
    pool pool(spawning({.workers = 3, .finalizer = &finalize, .inherit = {finalizer_fd}}), add);
    expect_usable(pool);
  }
  ::close(ends[1]);
  ::close(finalizer_fd);
  char all[16];
  EXPECT_EQ(::read(ends[0], all, sizeof all), 3);
  ::close(ends[0]);
}

TEST_F(spawned_pool, says_so_when_its_initializer_always_fails) {
  try {
    pool pool(spawning({.workers = 1, .restart = {.budget = 2, .backoff = 1ms}, .initializer = &complain}), add);
    FAIL() << "the pool was built";
  } catch (const error& problem) {
    EXPECT_EQ(problem.code(), errc::worker_start_failed) << problem.report();
  }
}

// ---- ends ---------------------------------------------------------------------------------------------------------

TEST_F(spawned_pool, settles_what_is_stuck_when_it_is_shut_down) {
  const auto staying = task("stay", &stay);
  pool pool(spawning({.workers = 2}), add, staying);
  std::vector<future<void>> stuck;
  for (int i = 0; i < 10; ++i) stuck.push_back(pool.call(staying));
  pool.shutdown(20ms);
  for (auto& each : stuck) EXPECT_EQ(code_of(each.result()), errc::pool_closed);
}

TEST_F(spawned_pool, fails_every_call_when_its_supervisor_is_killed) {
  const auto staying = task("stay", &stay);
  pool pool(spawning({.workers = 2}), add, staying);
  std::vector<future<void>> stuck;
  for (int i = 0; i < 4; ++i) stuck.push_back(pool.call(staying));
  const std::vector<int> workers = worker_pids(pool);
  ASSERT_EQ(workers.size(), 2U);
  int supervisor = 0;
  std::ifstream stat("/proc/" + std::to_string(workers[0]) + "/stat");
  std::string skipped;
  stat >> skipped >> skipped >> skipped >> supervisor;
  ASSERT_GT(supervisor, 1);
  ASSERT_EQ(::kill(supervisor, SIGKILL), 0);
  for (auto& each : stuck) EXPECT_EQ(code_of(each.result()), errc::supervisor_lost);
  for (const int pid : workers) {  // they become children of this process, a subreaper
    EXPECT_TRUE(holds_in_the_end([&] {
      ::waitpid(pid, nullptr, WNOHANG);
      return is_gone(pid);
    }));
  }
}

TEST_F(spawned_pool, leaves_nothing_behind_when_its_host_is_killed) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  std::vector<int> pids(2);
  {
    tests::child host([&] {
      const auto staying = task("stay", &stay);
      pool pool({.workers = 2, .start = start::spawn}, staying);
      std::vector<future<void>> stuck;
      for (int i = 0; i < 2; ++i) stuck.push_back(pool.call(staying));
      const std::vector<int> workers = worker_pids(pool);
      (void)!::write(ends[1], workers.data(), workers.size() * sizeof(int));
      ::pause();
      return 0;
    });
    ASSERT_EQ(::read(ends[0], pids.data(), pids.size() * sizeof(int)), static_cast<ssize_t>(pids.size() * sizeof(int)));
    ::kill(host.pid(), SIGKILL);
  }
  ::close(ends[0]);
  ::close(ends[1]);
  // The supervisor and its workers become children of this process, a subreaper: they have all ended once it has none.
  EXPECT_TRUE(holds_in_the_end([] {
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    return ::waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD;
  }));
  EXPECT_TRUE(is_gone(pids[0]));
  EXPECT_TRUE(is_gone(pids[1]));
}

// ---- hosts of every kind ------------------------------------------------------------------------------------------

TEST_F(spawned_pool, can_be_built_by_many_threads_at_once) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([] {
      for (int i = 0; i < 3; ++i) {
        pool pool({.workers = 1, .start = start::spawn}, add);
        EXPECT_EQ(pool.call(add, i, 1).get(), i + 1);
      }
    });
  }
  for (std::thread& each : threads) each.join();
}

TEST_F(spawned_pool, works_in_a_host_that_ignores_sigchld) {
  EXPECT_EQ(tests::said_by_child([] {
              ::signal(SIGCHLD, SIG_IGN);
              pool pool({.workers = 2, .start = start::spawn}, add);
              return std::to_string(pool.call(add, 1, 2).get());
            }),
            "3");
}

TEST_F(spawned_pool, works_in_a_host_without_standard_descriptors) {
  EXPECT_EQ(tests::said_by_child([] {
              for (int fd = 0; fd <= 2; ++fd) ::close(fd);
              pool pool({.workers = 2, .start = start::spawn}, add);
              return std::to_string(pool.call(add, 1, 2).get());
            }),
            "3");
}

int sum_in_a_pool_of_its_own(int a, int b) {
  pool pool({.workers = 1, .start = start::spawn}, add);
  return pool.call(add, a, b).get();
}

TEST_F(spawned_pool, can_be_built_inside_a_worker) {
  const auto nested = task("nested", &sum_in_a_pool_of_its_own);
  pool outer(spawning({.workers = 1}), nested);
  EXPECT_EQ(outer.call(nested, 2, 3).get(), 5);
}

}  // namespace
}  // namespace selvage::test

// FAILURES row 26: no descriptors, no processes, and a signal in every system call. Each host is a process of its own,
// with limits of its own.
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>

#include <atomic>
#include <thread>

#include "tests/support/host_process.hpp"
#include "tests/victims/victims.hpp"

namespace selvage::test {
namespace {

using pool_scarcity = pool_survives;

// FAILURES row 26
TEST_F(pool_scarcity, a_pool_is_built_or_refused_at_every_number_of_free_descriptors) {
  expect_well([](host_process::stage&) {
    unsigned built = 0, refused = 0;
    const int first_free = ::dup(0);
    ::close(first_free);
    for (rlim_t room = 0; room < 32; ++room) {
      const auto before = belongings::now();
      rlimit limit{};
      ::getrlimit(RLIMIT_NOFILE, &limit);
      const rlimit tight{static_cast<rlim_t>(first_free) + room, limit.rlim_max};
      ::setrlimit(RLIMIT_NOFILE, &tight);
      int sum = 0;
      const auto problem = error_of([&] {
        pool pool({.workers = 3, .restart = {.budget = 2, .backoff = 1ms, .backoff_limit = 1ms}}, add);
        sum = pool.call(add, 1, 2).get();
      });
      ::setrlimit(RLIMIT_NOFILE, &limit);
      ++(problem ? refused : built);
      MUST(problem || sum == 3);
      const bool told = problem && std::string(problem->what()).find(::strerror(EMFILE)) != std::string::npos;
      if (problem && !told) {
        std::fprintf(stderr, "with %llu descriptors: %s\n", static_cast<unsigned long long>(room), problem->what());
        return 1;
      }
      if (const std::string leaks = before.leaked(); !leaks.empty()) {
        std::fprintf(stderr, "with %llu descriptors: %s\n", static_cast<unsigned long long>(room), leaks.c_str());
        return 1;
      }
    }
    std::fprintf(stderr, "built %u refused %u\n", built, refused);
    MUST(built > 0 && refused > 0);
    return 0;
  });
}

// FAILURES row 26: none left once it works.
TEST_F(pool_scarcity, a_pool_that_is_there_needs_no_further_descriptor_in_its_host) {
  expect_well([](host_process::stage&) {
    const auto die = selvage::task("die", &victims::dereference_null);
    pool pool({.workers = 2}, add, die);
    const rlimit none{0, 20000};
    ::setrlimit(RLIMIT_NOFILE, &none);
    for (int i = 0; i < 20; ++i) {
      MUST(pool.call(die).result().error().code() == errc::crashed);
      MUST(pool.call(add, i, 1).get() == i + 1);
    }
    std::atomic<int> sums{0};
    for (int i = 0; i < 100; ++i) pool.call(add, i, 1).then([&](const auto& sum) { sums += sum ? 1 : 0; });
    MUST(holds_in_the_end([&] { return sums == 100; }));
    return 0;
  });
}

/// Becomes a user who may have so many processes.
bool limit_processes(rlim_t count) {
  const rlimit limit{count, count};
  // RLIMIT_NPROC counts by user, and spares root. Above 60'000 are the dynamic users of Debian and systemd.
  const uid_t nobody_else = 50'000 + static_cast<uid_t>(::getpid()) % 9'000;
  return ::setrlimit(RLIMIT_NPROC, &limit) == 0 && ::setresuid(nobody_else, nobody_else, nobody_else) == 0;
}

// FAILURES row 26
TEST_F(pool_scarcity, a_supervisor_that_cannot_be_forked_is_an_error_of_the_constructor) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to become somebody else";
  expect_well([](host_process::stage&) {
    MUST(limit_processes(1));
    const auto before = belongings::now();
    const auto problem = error_of([] { const pool pool({.workers = 2}, add); });
    MUST(problem && problem->code() == errc::worker_start_failed);
    MUST(std::string(problem->what()).find(::strerror(EAGAIN)) != std::string::npos);
    MUST(before.leaked().empty());
    return 0;
  });
}

// FAILURES row 26
TEST_F(pool_scarcity, workers_that_cannot_be_forked_spend_the_budget_and_the_error_names_the_cause) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to become somebody else";
  expect_well([](host_process::stage&) {
    MUST(limit_processes(2));  // host and supervisor
    const auto before = belongings::now();
    const auto problem = error_of(
        [] { const pool pool({.workers = 2, .restart = {.budget = 3, .backoff = 1ms, .backoff_limit = 2ms}}, add); });
    MUST(problem && problem->code() == errc::worker_start_failed);
    MUST(std::string(problem->what()).find(::strerror(EAGAIN)) != std::string::npos);
    MUST(before.leaked().empty());
    return 0;
  });
}

// FAILURES row 26: it passes, too.
TEST_F(pool_scarcity, a_pool_with_fewer_processes_than_workers_serves_with_those_that_it_has) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to become somebody else";
  expect_well([](host_process::stage&) {
    MUST(limit_processes(4));  // host, supervisor, two of four workers
    pool pool({.workers = 4, .restart = {.budget = 3, .backoff = 1ms, .backoff_limit = 2ms}}, add);
    for (int i = 0; i < 100; ++i) MUST(pool.call(add, i, 1).get() == i + 1);
    return 0;
  });
}

int supervisor_of_this_process() { return *belongings::now().children.begin(); }

// FAILURES row 26: it comes and goes.
TEST_F(pool_scarcity, a_worker_that_cannot_be_replaced_for_a_while_is_replaced_when_it_can) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to become somebody else";
  expect_well([](host_process::stage&) {
    MUST(limit_processes(1000));
    pool pool({.workers = 2, .restart = {.budget = 100'000, .backoff = 1ms, .backoff_limit = 10ms}}, add);
    const int supervisor = supervisor_of_this_process();
    const lane_stats killed = pool.stats().lanes.at(0);
    const rlimit none{1, 1000}, enough{1000, 1000};
    MUST(::prlimit(supervisor, RLIMIT_NPROC, &none, nullptr) == 0);
    ::kill(killed.worker_pid, SIGKILL);
    MUST(holds_in_the_end([&] { return is_gone(killed.worker_pid); }));
    for (int i = 0; i < 200; ++i) {
      MUST(pool.call(add, i, 1).get() == i + 1);  // by the other one
      ::usleep(200);
    }
    MUST(!pool.stats().lanes.at(0).ready);
    MUST(::prlimit(supervisor, RLIMIT_NPROC, &enough, nullptr) == 0);
    MUST(holds_in_the_end([&] {
      (void)pool.call(add, 1, 2).result();
      return pool.stats().lanes.at(0).ready;
    }));
    expect_usable(pool);
    return 0;
  });
}

std::atomic<unsigned> interruptions{0};

// FAILURES row 26: EINTR everywhere.
TEST_F(pool_scarcity, a_signal_every_100_microseconds_changes_nothing) {
  expect_well([](host_process::stage&) {
    struct sigaction quiet {};
    quiet.sa_handler = [](int) { ++interruptions; };  // no SA_RESTART
    ::sigaction(SIGUSR1, &quiet, nullptr);
    sigevent how{};
    how.sigev_notify = SIGEV_SIGNAL;
    how.sigev_signo = SIGUSR1;
    timer_t timer{};
    MUST(::timer_create(CLOCK_MONOTONIC, &how, &timer) == 0);
    const itimerspec often{{0, 100'000}, {0, 100'000}};
    MUST(::timer_settime(timer, 0, &often, nullptr) == 0);
    const auto die = selvage::task("die", &victims::dereference_null);
    const auto hang = selvage::task("hang", &victims::sleep_for_ever, {.timeout = 20ms});
    const auto echo = selvage::task("echo", [](std::string_view text) { return std::string(text); });
    for (int round = 0; round < 5; ++round) {
      pool pool({.workers = 2, .arena = {.initial = 8_MiB}, .payload_cap = 32_MiB}, add, die, hang, echo);
      const std::string large(6U << 20U, 'x');
      auto hanging = pool.call(hang);
      for (int i = 0; i < 50; ++i) MUST(pool.call(add, i, 1).get() == i + 1);
      MUST(pool.call(die).result().error().code() == errc::crashed);
      MUST(pool.call(echo, large).get() == large);
      MUST(hanging.result().error().code() == errc::timed_out);
    }
    {
      pool fixed({.workers = 2, .arena = {.maximum = 16_MiB, .growable = false}}, add);
      MUST(fixed.call(add, 1, 2).get() == 3);
    }
    ::timer_delete(timer);
    MUST(interruptions > 100);
    return 0;
  });
}

void interrupt_this_worker_all_the_time() {
  struct sigaction quiet {};
  quiet.sa_handler = [](int) {};  // no SA_RESTART
  ::sigaction(SIGALRM, &quiet, nullptr);
  const itimerval often{{0, 200}, {0, 200}};
  ::setitimer(ITIMER_REAL, &often, nullptr);
}

bool never_restarted(const restart_stats& restarts) {
  return restarts.crashed + restarts.exited + restarts.timed_out + restarts.failed_starts == 0;
}

// FAILURES row 26: EINTR in the workers, in both modes.
TEST_F(pool_scarcity, a_signal_every_200_microseconds_in_each_worker_changes_nothing) {
  const auto echo = selvage::task("echo", [](std::string_view text) { return std::string(text); });
  const auto nap = selvage::task("nap", [] { ::usleep(300); });
  const auto fail = selvage::task("fail", []() -> int { throw std::runtime_error("on purpose"); });
  const std::string text(100'000, 'x');
  for (const start how : {start::fork, start::spawn}) {
    pool pool(watched({.workers = 2, .start = how, .initializer = &interrupt_this_worker_all_the_time}), add, echo, nap,
              fail);
    for (int round = 0; round < 100; ++round) {
      std::vector<future<int>> sums;
      for (int i = 0; i < 17; ++i) sums.push_back(pool.call(add, i, round));
      auto echoing = pool.call(echo, text);
      auto napping = pool.call(nap);
      EXPECT_EQ(code_of(pool.call(fail).result()), errc::task_failed);
      ASSERT_EQ(echoing.get(), text);
      napping.get();
      for (int i = 0; i < 17; ++i) ASSERT_EQ(sums[static_cast<std::size_t>(i)].get(), i + round);
    }
    EXPECT_TRUE(never_restarted(pool.stats().restarts));
  }
}

// FAILURES row 26: a stop and its continuation interrupt what no handler does.
TEST_F(pool_scarcity, stopping_and_continuing_the_supervisor_and_the_workers_changes_nothing) {
  pool pool(watched({.workers = 2}), add);
  std::vector<int> pids = worker_pids(pool);
  pids.push_back(supervisor_of_this_process());
  {
    std::jthread stopper([&](const std::stop_token& over) {
      for (std::size_t i = 0; !over.stop_requested(); ++i) {
        ::kill(pids[i % pids.size()], SIGSTOP);
        ::usleep(500);
        ::kill(pids[i % pids.size()], SIGCONT);
      }
    });
    const std::uint64_t end = base::now_ns() + 2'000'000'000U;
    for (int i = 0; base::now_ns() < end; ++i) {
      const auto sum = pool.call(add, i, 1).result();
      ASSERT_TRUE(sum.has_value()) << sum.error().report();
      ASSERT_EQ(*sum, i + 1);
    }
  }
  EXPECT_TRUE(never_restarted(pool.stats().restarts));
  EXPECT_EQ(worker_pids(pool).size(), 2U);
  expect_usable(pool);
}

}  // namespace
}  // namespace selvage::test

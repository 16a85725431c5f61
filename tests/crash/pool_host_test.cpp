// FAILURES row 27: hosts with many threads, hosts that exit, ignore SIGCHLD, reap every child, or are interrupted.
#include <atomic>
#include <memory>
#include <thread>

#include "tests/support/child.hpp"
#include "tests/support/host_process.hpp"
#include "tests/victims/victims.hpp"

namespace selvage::test {
namespace {

using pool_hosts = pool_survives;

// ---- threads ----------------------------------------------------------------------------------------------------

// FAILURES row 27
TEST_F(pool_hosts, many_threads_build_use_and_destroy_pools_of_their_own) {
  const auto die = selvage::task("die", &victims::dereference_null);
  std::vector<std::thread> threads;
  std::vector<pool_options> options;
  for (int t = 0; t < 8; ++t) options.push_back(watched({.workers = 2}));
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int round = 0; round < 6; ++round) {
        pool own(round == 0 ? options[static_cast<std::size_t>(t)] : pool_options{.workers = 2}, add, die);
        EXPECT_EQ(own.call(add, t, round).get(), t + round);
        EXPECT_TRUE(round % 3 != 0 || code_of(own.call(die).result()) == errc::crashed);
        expect_usable(own);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// FAILURES row 27: the death signal of a child goes by the thread that forked it.
TEST_F(pool_hosts, the_thread_that_built_the_pool_exits_and_the_pool_stays) {
  std::unique_ptr<pool> built;
  std::thread([&] { built = std::make_unique<pool>(watched({.workers = 2}), add); }).join();
  ::usleep(50'000);
  for (int i = 0; i < 5; ++i) expect_usable(*built);
  EXPECT_EQ(built->stats().failed, 0U);
  replace_workers(*built);
  expect_usable(*built);
}

// FAILURES row 27
TEST_F(pool_hosts, a_pool_is_destroyed_by_another_thread_than_the_one_that_built_it) {
  auto built = std::make_unique<pool>(watched({.workers = 2}), add);
  expect_usable(*built);
  std::thread([moved = std::move(built)]() mutable { moved.reset(); }).join();
}

// FAILURES row 27: threads that hold what a task needs must not be in the way of selvage itself.
TEST_F(pool_hosts, a_host_with_busy_threads_builds_pools_and_replaces_workers) {
  std::atomic<bool> over{false};
  std::vector<std::thread> busy;
  for (int t = 0; t < 4; ++t) {
    busy.emplace_back([&] {
      while (!over) {
        try {
          throw std::runtime_error(std::string(200, 'x'));  // the allocator's and the unwinder's locks
        } catch (const std::runtime_error&) {
        }
        std::FILE* const file = std::fopen("/proc/self/stat", "r");
        if (file != nullptr) std::fclose(file);
      }
    });
  }
  const auto die = selvage::task("die", &victims::dereference_null);
  for (int round = 0; round < 10; ++round) {
    pool pool(watched({.workers = 2}), add, die);
    EXPECT_EQ(code_of(pool.call(die).result()), errc::crashed);
    expect_usable(pool);
  }
  over = true;
  for (std::thread& thread : busy) thread.join();
}

// ---- the end of the host's process ------------------------------------------------------------------------------

// Destroyed by exit(), as the static pools of programs are.
std::unique_ptr<pool>& global() {
  static std::unique_ptr<pool> only;
  return only;
}

// FAILURES row 27
TEST_F(pool_hosts, exit_with_calls_in_flight_ends_at_once_and_leaves_nothing) {
  host_process host([](host_process::stage&) -> int {
    const auto sleep = selvage::task("sleep", &victims::sleep_for_ever);
    global() = std::make_unique<pool>(pool_options{.workers = 2}, sleep);
    auto& running = *new std::vector<future<void>>;  // exit() destroys no future that a thread waits for
    for (int i = 0; i < 300; ++i) running.push_back(global()->call(sleep));
    std::thread([&running] { running.at(0).wait(); }).detach();
    std::thread([&running] { running.at(299).wait(); }).detach();
    ::usleep(20'000);
    std::exit(7);
  });
  EXPECT_EQ(host.exit_status(), 7);
  EXPECT_EQ(host.left_behind(), "");
}

// FAILURES row 27
TEST_F(pool_hosts, exit_with_a_pool_that_nobody_destroys_leaves_nothing) {
  host_process host([](host_process::stage&) -> int {
    const auto sleep = selvage::task("sleep", &victims::sleep_for_ever);
    auto* const forgotten = new pool({.workers = 2}, sleep);
    forgotten->call(sleep).detach();
    std::exit(8);
  });
  EXPECT_EQ(host.exit_status(), 8);
  EXPECT_EQ(host.left_behind(), "");
}

// A misuse, and said so.
TEST_F(pool_hosts, a_call_of_a_pool_that_was_moved_from_ends_the_program) {
  host_process host([](host_process::stage&) -> int {
    pool moved({.workers = 1}, add);
    pool pool(std::move(moved));
    if (pool.call(add, 1, 2).get() != 3) return 1;
    (void)moved.call(add, 1, 2);  // NOLINT
    return 2;
  });
  EXPECT_EQ(host.exit_status(), 1000 + SIGABRT);
  EXPECT_EQ(host.left_behind(), "");
}

// ---- signals ----------------------------------------------------------------------------------------------------

// FAILURES row 27
TEST_F(pool_hosts, a_host_that_ignores_sigchld_loses_nothing) {
  host_process host([](host_process::stage&) {
    ::signal(SIGCHLD, SIG_IGN);
    const auto before = belongings::now();
    for (int round = 0; round < 5; ++round) {
      const auto die = selvage::task("die", &victims::dereference_null);
      const auto fork_and_wait = selvage::task("fork_and_wait", [] {
        return tests::child([] { return 3; }).exit_status();  // a worker has SIGCHLD as a fresh process has it
      });
      pool pool({.workers = 2}, add, die, fork_and_wait);
      if (code_of(pool.call(die).result()) != errc::crashed) return 1;
      if (pool.call(fork_and_wait).get() != 3) return 2;
      for (int i = 0; i < 50; ++i) {
        if (pool.call(add, i, 1).get() != i + 1) return 3;
      }
    }
    return before.leaked().empty() ? 0 : 4;
  });
  EXPECT_EQ(host.exit_status(), 0);
  EXPECT_EQ(host.left_behind(), "");
}

// FAILURES row 27
TEST_F(pool_hosts, a_host_that_reaps_every_child_in_a_thread_loses_nothing) {
  host_process host([](host_process::stage&) {
    std::atomic<bool> over{false};
    std::thread reaper([&] {
      while (!over) {
        if (::waitpid(-1, nullptr, WNOHANG) <= 0) ::usleep(50);
      }
    });
    for (int round = 0; round < 20; ++round) {
      const auto die = selvage::task("die", &victims::dereference_null);
      pool pool({.workers = 2}, add, die);
      if (code_of(pool.call(die).result()) != errc::crashed) return 1;
      for (int i = 0; i < 50; ++i) {
        if (pool.call(add, i, 1).get() != i + 1) return 2;
      }
    }
    over = true;
    reaper.join();
    return 0;
  });
  EXPECT_EQ(host.exit_status(), 0);
  EXPECT_EQ(host.left_behind(), "");
}

std::atomic<unsigned> interrupts{0};

// FAILURES row 27: Ctrl-C.
TEST_F(pool_hosts, an_interrupt_of_the_process_group_reaches_only_the_host) {
  host_process host([](host_process::stage&) {
    ::setpgid(0, 0);
    ::signal(SIGINT, [](int) { ++interrupts; });
    const auto nap = selvage::task("nap", [] { ::usleep(1'000); });
    for (int round = 0; round < 10; ++round) {
      pool pool({.workers = 2}, add, nap);
      for (int i = 0; i < 10; ++i) {
        auto napping = pool.call(nap);
        ::kill(0, i % 2 == 0 ? SIGINT : SIGCONT);
        if (!napping.result()) return 1;
      }
      const restart_stats& restarts = pool.stats().restarts;
      if (restarts.crashed + restarts.exited != 0) return 2;
    }
    return interrupts == 50 ? 0 : 3;
  });
  EXPECT_EQ(host.exit_status(), 0);
  EXPECT_EQ(host.left_behind(), "");
}

// FAILURES row 27: while the supervisor and its workers are being born.
TEST_F(pool_hosts, interrupts_while_the_pool_is_built_reach_only_the_host) {
  host_process host([](host_process::stage&) {
    ::setpgid(0, 0);
    ::signal(SIGINT, [](int) { ++interrupts; });
    std::atomic<bool> over{false};
    std::thread interrupter([&] {
      while (!over) {
        ::kill(0, SIGINT);
        ::usleep(20);
      }
    });
    int status = 0;
    const std::uint64_t enough = base::now_ns() + 10'000'000'000U;  // a fork may take tenths of a second
    for (int round = 0; round < 100 && status == 0 && base::now_ns() < enough; ++round) {
      try {
        pool pool({.workers = 1}, add);
        if (pool.call(add, 1, 2).get() != 3) status = 1;
        const restart_stats restarts = pool.stats().restarts;
        if (restarts.crashed + restarts.failed_starts != 0) status = 2;
      } catch (const error& problem) {
        std::fprintf(stderr, "%s\n", problem.what());
        status = 3;
      }
    }
    over = true;
    interrupter.join();
    return status;
  });
  EXPECT_EQ(host.exit_status(), 0);
  EXPECT_EQ(host.left_behind(), "");
}

}  // namespace
}  // namespace selvage::test

// FAILURES row 27: hosts with many threads, hosts that fork, exit, ignore SIGCHLD or reap every child, and pools in workers.
#include <sys/mman.h>
#include <sys/wait.h>

#include <atomic>
#include <memory>
#include <thread>

#include "tests/support/host_process.hpp"
#include "tests/support/random.hpp"
#include "tests/victims/victims.hpp"

namespace selvage::test {
namespace {

using pool_hosts = pool_survives;

int wait_for(pid_t child) {
  int status = -1;
  while (::waitpid(child, &status, 0) == -1 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

// ---- threads ---------------------------------------------------------------------------------------------------------

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
  for (const int pid : worker_pids(*built)) ::kill(pid, SIGKILL);
  (void)built->call(add, 1, 1).result();
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

// ---- the end of the host's process -----------------------------------------------------------------------------------

// A pool with static storage, as programs have them; destroyed by exit().
struct static_pool {
  std::unique_ptr<pool> it;
};
static_pool& global() {
  static static_pool only;
  return only;
}

// FAILURES row 27
TEST_F(pool_hosts, exit_with_calls_in_flight_ends_at_once_and_leaves_nothing) {
  host_process host([](host_process::stage&) -> int {
    const auto sleep = selvage::task("sleep", &victims::sleep_for_ever);
    global().it = std::make_unique<pool>(pool_options{.workers = 2}, sleep);
    static std::vector<future<void>> running;
    for (int i = 0; i < 300; ++i) running.push_back(global().it->call(sleep));
    std::thread([] { running.at(0).wait(); }).detach();
    std::thread([] { running.at(299).wait(); }).detach();
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

// ---- hosts that fork -------------------------------------------------------------------------------------------------

// FAILURES row 27
TEST_F(pool_hosts, a_forked_child_that_uses_the_pool_is_told_that_it_is_closed) {
  const auto echo = selvage::task("echo", [](const std::string& text) { return text; });
  pool pool(watched({.workers = 2}), add, echo);
  auto running = pool.call(add, 1, 2);
  const pid_t child = ::fork();
  if (child == 0) {
    const bool refused = code_of(pool.call(add, 1, 2).result()) == errc::pool_closed &&
                         code_of(pool.call(echo, std::string(100'000, 'x')).result()) == errc::pool_closed &&
                         code_of(running.result()) == errc::pool_closed;
    pool.shutdown(1s);
    (void)pool.stats();
    ::_exit(refused ? 0 : 1);
  }
  EXPECT_EQ(wait_for(child), 0);
  EXPECT_EQ(running.get(), 3);
  expect_usable(pool);
}

// FAILURES row 27: its old range may be in use by then.
TEST_F(pool_hosts, a_forked_child_that_destroys_the_pool_unmaps_nothing_of_its_own) {
  auto built = std::make_unique<pool>(watched({.workers = 2}), add);
  std::vector<std::pair<std::uintptr_t, std::size_t>> ranges;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    unsigned long begin = 0, end = 0;
    if (line.find("/dev/shm/selvage-") != line.npos && std::sscanf(line.c_str(), "%lx-%lx", &begin, &end) == 2) ranges.emplace_back(begin, end - begin);
  }
  ASSERT_FALSE(ranges.empty());
  const pid_t child = ::fork();
  if (child == 0) {
    for (const auto& [begin, size] : ranges) {  // they are free there: something else may have them
      void* const got = ::mmap(reinterpret_cast<void*>(begin), size, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
      if (got != reinterpret_cast<void*>(begin)) ::_exit(2);
      *static_cast<int*>(got) = 4711;
    }
    built.reset();
    for (const auto& [begin, size] : ranges) {
      if (*reinterpret_cast<int*>(begin) != 4711) ::_exit(3);
    }
    ::_exit(0);
  }
  EXPECT_EQ(wait_for(child), 0);
  expect_usable(*built);
}

// FAILURES row 27: destructors of statics run there, and futures are dropped.
TEST_F(pool_hosts, a_forked_child_that_exits_normally_leaves_the_pool_of_its_parent_alone) {
  host_process host([](host_process::stage&) {
    global().it = std::make_unique<pool>(pool_options{.workers = 2}, add);
    static std::vector<future<int>> sums;
    for (int round = 0; round < 20; ++round) {
      for (int i = 0; i < 20; ++i) sums.push_back(global().it->call(add, i, 1));
      const pid_t child = ::fork();
      if (child == 0) std::exit(5);
      if (wait_for(child) != 5) return 1;
      for (auto& each : sums) {
        if (!each.result()) return 2;
      }
      sums.clear();
    }
    global().it.reset();
    return 0;
  });
  EXPECT_EQ(host.exit_status(), 0);
  EXPECT_EQ(host.left_behind(), "");
}

// FAILURES row 27: fork at any moment, with threads in the middle of everything.
TEST_F(pool_hosts, forks_from_a_host_under_load_disturb_neither_side) {
  host_process host([](host_process::stage&) {
    global().it = std::make_unique<pool>(pool_options{.workers = 2}, add);
    std::atomic<bool> over{false};
    std::atomic<unsigned> failed{0};
    std::vector<std::thread> callers;
    for (int t = 0; t < 2; ++t) {
      callers.emplace_back([&] {
        while (!over) failed += global().it->call(add, 1, 2).result() ? 0 : 1;
      });
    }
    for (int i = 0; i < 200; ++i) {
      const pid_t child = ::fork();
      if (child == 0) {
        const bool refused = code_of(global().it->call(add, 1, 2).result()) == errc::pool_closed;
        std::exit(refused ? 0 : 1);  // with the destructors of statics
      }
      if (wait_for(child) != 0) return 1;
    }
    over = true;
    for (std::thread& caller : callers) caller.join();
    global().it.reset();
    return failed == 0 ? 0 : 2;
  });
  EXPECT_EQ(host.exit_status(), 0);
  EXPECT_EQ(host.left_behind(), "");
}

// FAILURES row 27: the child is a host of its own.
TEST_F(pool_hosts, a_forked_child_builds_a_pool_of_its_own) {
  pool outer(watched({.workers = 2}), add);
  expect_usable(outer);
  const pid_t child = ::fork();
  if (child == 0) {
    int status = 1;
    try {
      pool inner({.workers = 2}, add);
      status = inner.call(add, 20, 22).get() == 42 ? 0 : 2;
    } catch (const error&) {
    }
    ::_exit(status);
  }
  EXPECT_EQ(wait_for(child), 0);
  expect_usable(outer);
}

// ---- pools in workers ------------------------------------------------------------------------------------------------

// FAILURES row 27
TEST_F(pool_hosts, a_pool_built_in_a_worker_works_and_ends_with_it) {
  blackboard notes;
  const auto nested = selvage::task("nested", [&notes](int depth) {
    pool inner({.workers = 2}, add);
    notes[0] = static_cast<std::uint64_t>(inner.stats().lanes.at(0).worker_pid);
    int sum = 0;
    for (int i = 0; i < 50; ++i) sum += inner.call(add, i, depth).get();
    return sum;
  });
  const auto abandon = selvage::task("abandon", [&notes] {
    auto* const inner = new pool({.workers = 2}, add);
    notes[0] = static_cast<std::uint64_t>(inner->stats().lanes.at(0).worker_pid);
    victims::kill_itself();
  });
  pool outer(watched({.workers = 2}), add, nested, abandon);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(outer.call(nested, 2).get(), 49 * 50 / 2 + 100);
  EXPECT_TRUE(holds_in_the_end([&] { return is_gone(static_cast<int>(notes[0])); }));
  EXPECT_EQ(code_of(outer.call(abandon).result()), errc::crashed);
  EXPECT_TRUE(holds_in_the_end([&] { return is_gone(static_cast<int>(notes[0])); }));
  expect_usable(outer);
}

// ---- signals ---------------------------------------------------------------------------------------------------------

// FAILURES row 27
TEST_F(pool_hosts, a_host_that_ignores_sigchld_loses_nothing) {
  host_process host([](host_process::stage&) {
    ::signal(SIGCHLD, SIG_IGN);
    const auto before = belongings::now();
    for (int round = 0; round < 5; ++round) {
      const auto die = selvage::task("die", &victims::dereference_null);
      const auto fork_and_wait = selvage::task("fork_and_wait", [] {
        const pid_t child = ::fork();
        if (child == 0) ::_exit(3);
        return wait_for(child);  // a worker has SIGCHLD as a fresh process has it
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
    for (int round = 0; round < 100 && status == 0; ++round) {
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

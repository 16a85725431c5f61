// FAILURES rows 23 and 24: the supervisor is killed, or the host is. Nothing of the pool outlives either.
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/support/host_process.hpp"
#include "tests/support/random.hpp"
#include "tests/support/shared_words.hpp"
#include "tests/victims/victims.hpp"

namespace selvage::test {
namespace {

using pool_orphans = pool_survives;

int supervisor_of_this_process() {
  for (const int pid : belongings::now().children) {
    std::ifstream name("/proc/" + std::to_string(pid) + "/comm");
    std::string word;
    if (name >> word && word == "selvage-super") return pid;
  }
  return -1;
}

/// Of the one pool of this process.
void kill_supervisor() {
  const int pid = supervisor_of_this_process();
  ASSERT_GT(pid, 0);  // -1 would be everybody
  ::kill(pid, SIGKILL);
}

/// Waits until the workers of a supervisor that was killed are gone: they were handed up to us.
void expect_gone(const std::vector<int>& workers) {
  EXPECT_TRUE(holds_in_the_end([&] {
    for (const int pid : workers) (void)::waitpid(pid, nullptr, WNOHANG);
    return std::all_of(workers.begin(), workers.end(), &is_gone);
  })) << "a worker has outlived its supervisor";
}

// ---- FAILURES row 23 --------------------------------------------------------------------------------------------

// FAILURES row 23
TEST_F(pool_orphans, a_killed_supervisor_takes_its_workers_along_and_fails_every_call_in_flight) {
  const auto sleep = selvage::task("sleep", &victims::sleep_for_ever);
  pool pool(watched({.workers = 3}), add, sleep);
  const auto workers = all_worker_pids(pool);
  ASSERT_EQ(workers.size(), 3U);
  std::vector<future<void>> running;
  for (int i = 0; i < 50; ++i) running.push_back(pool.call(sleep));  // running, posted and queued
  const int supervisor = supervisor_of_this_process();
  ASSERT_GT(supervisor, 0);
  ::kill(supervisor, SIGKILL);
  for (auto& each : running) {
    const auto outcome = each.result();
    ASSERT_EQ(code_of(outcome), errc::supervisor_lost);
    EXPECT_NE(outcome.error().details().message.find(std::to_string(supervisor)), std::string::npos);
    EXPECT_EQ(outcome.error().details().task, "sleep");
  }
  expect_gone(workers);
  EXPECT_EQ(code_of(pool.call(add, 1, 2).result()), errc::supervisor_lost);
  pool.shutdown(1s);
  selvage::pool next(watched({.workers = 2}), add);
  expect_usable(next);
}

// FAILURES row 23
TEST_F(pool_orphans, a_supervisor_killed_while_nothing_is_called_fails_the_next_call) {
  pool pool(watched({.workers = 2}), add);
  expect_usable(pool);
  const auto workers = all_worker_pids(pool);
  kill_supervisor();
  expect_gone(workers);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(code_of(pool.call(add, 1, 2).result()), errc::supervisor_lost);
  EXPECT_FALSE(pool.try_call(add, 1, 2).value().result().has_value());
}

std::uint64_t wakes_of_helper() {
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string word;
    if (std::ifstream name(thread.path() / "comm"); !(name >> word) || word != "selvage-helper") continue;
    return tests::context_switches::of_thread(thread.path().string()).voluntary;
  }
  return 0;
}

// FAILURES row 23: the slots of a lane that nobody will ever answer are no reason to look.
TEST_F(pool_orphans, the_helper_of_a_pool_without_a_supervisor_sleeps) {
  const auto sleep = selvage::task("sleep", &victims::sleep_for_ever);
  pool pool(watched({.workers = 1, .depth = {.maximum = 64, .window = 1h}}), sleep);
  std::vector<future<void>> running;
  for (int i = 0; i < 5; ++i) running.push_back(pool.call(sleep));
  const auto workers = worker_pids(pool);
  ::kill(supervisor_of_this_process(), SIGKILL);
  for (auto& each : running) EXPECT_EQ(code_of(each.result()), errc::supervisor_lost);
  EXPECT_TRUE(holds_in_the_end([] { return wakes_of_helper() > 0; }));
  EXPECT_TRUE(holds_in_the_end([&] {
    const std::uint64_t before = wakes_of_helper();
    ::usleep(50'000);
    return wakes_of_helper() == before;
  }));
  EXPECT_TRUE(holds_in_the_end([&] {
    for (const int pid : workers) (void)::waitpid(pid, nullptr, WNOHANG);
    return std::all_of(workers.begin(), workers.end(), &is_gone);
  }));
}

// FAILURES row 23: callers from all sides, and callbacks.
TEST_F(pool_orphans, a_supervisor_killed_under_load_leaves_one_outcome_for_each_call) {
  for (int round = 0; round < 10; ++round) {
    pool pool(watched({.workers = 2}), add);
    const auto workers = all_worker_pids(pool);
    std::atomic<unsigned> outcomes{0}, odd{0};
    std::atomic<bool> over{false};
    unsigned callbacks = 0;
    std::vector<std::thread> callers;
    for (int t = 0; t < 3; ++t) {
      callers.emplace_back([&] {
        while (!over) {
          const auto sum = pool.call(add, 1, 2).result();
          if (!sum && sum.error().code() != errc::supervisor_lost) ++odd;
          if (!sum) over = true;
        }
      });
    }
    for (int i = 0; i < 200; ++i, ++callbacks)
      pool.call(add, i, 1).then([&](const tl::expected<int, error>&) { ++outcomes; });
    kill_supervisor();
    for (std::thread& caller : callers) caller.join();
    EXPECT_TRUE(holds_in_the_end([&] { return outcomes == callbacks; })) << outcomes;
    EXPECT_EQ(odd, 0U);
    expect_gone(workers);
  }
}

// FAILURES row 23: whatever it waits for.
TEST_F(pool_orphans, a_killed_supervisor_lets_go_whoever_waits_for_whatever) {
  const gate gate;
  const auto held = selvage::task("held", [&gate] {
    gate.pass();
    return 1;
  });
  const auto sleep = selvage::task("sleep", &victims::sleep_for_ever);
  const auto length = selvage::task("length", [](std::string_view text) { return static_cast<int>(text.size()); });
  const auto text = selvage::task("text", [](std::size_t size) { return std::string(size, 't'); });
  pool pool(watched({.workers = 1,
                     .arena = {.initial = 64_KiB, .maximum = 64_KiB},
                     .payload_cap = 64_KiB,
                     .queue = 4,
                     .depth = {.maximum = 1}}),
            add, sleep, length, text);
  const auto workers = all_worker_pids(pool);
  const int supervisor = supervisor_of_this_process();
  selvage::pool other(watched({.workers = 1}), held);

  const trusted_view view = pool.call_trusted(text, std::size_t{1000}).get();
  auto running = pool.call(sleep);
  auto waits_for_input = pool.call(add, other.call(held), 1);
  std::vector<future<int>> queued;
  for (int i = 0; i < 2; ++i) queued.push_back(pool.call(length, std::string(60'000, 'x')));
  errc for_bytes{}, for_room{};
  std::jthread waits_for_bytes([&] { for_bytes = code_of(pool.call(length, std::string(60'000, 'x')).result()); });
  ::usleep(20'000);
  for (auto more = pool.try_call(add, 1, 1); more; more = pool.try_call(add, 1, 1)) queued.push_back(std::move(*more));
  std::jthread waits_for_room([&] { for_room = code_of(pool.call(add, 1, 2).result()); });
  ::usleep(20'000);  // most likely both wait by now; right either way

  ::kill(supervisor, SIGKILL);
  EXPECT_EQ(code_of(running.result()), errc::supervisor_lost);
  for (auto& each : queued) EXPECT_EQ(code_of(each.result()), errc::supervisor_lost);
  waits_for_bytes.join();
  EXPECT_EQ(for_bytes, errc::supervisor_lost);
  waits_for_room.join();
  EXPECT_EQ(for_room, errc::supervisor_lost);
  expect_gone(workers);
  EXPECT_EQ(view.text(), std::string(1000, 't'));
  gate.open();
  EXPECT_EQ(code_of(waits_for_input.result()), errc::supervisor_lost);
  pool.shutdown(1h);
}

// FAILURES row 23
TEST_F(pool_orphans, a_killed_supervisor_ends_a_drain) {
  const auto sleep = selvage::task("sleep", &victims::sleep_for_ever);
  pool pool(watched({.workers = 2}), sleep);
  const auto workers = all_worker_pids(pool);
  std::vector<future<void>> stuck;
  for (int i = 0; i < 10; ++i) stuck.push_back(pool.call(sleep));
  std::jthread closing([&] { pool.shutdown(1h); });
  ::usleep(20'000);
  kill_supervisor();
  for (auto& each : stuck) EXPECT_EQ(code_of(each.result()), errc::supervisor_lost);
  closing.join();
  expect_gone(workers);
}

// FAILURES row 23, DESIGN D7: one that has left its worker's process tree may live on, and nothing else.
TEST_F(pool_orphans, a_grandchild_that_left_its_session_is_all_that_a_killed_supervisor_may_leave) {
  const auto leave = selvage::task("leave", &victims::leave_a_grandchild);
  const auto sleep = selvage::task("sleep", &victims::sleep_for_ever);
  pool pool(watched({.workers = 2}), leave, sleep);
  const auto workers = all_worker_pids(pool);
  const int grandchild = pool.call(leave).get();
  ASSERT_FALSE(is_gone(grandchild));
  auto running = pool.call(sleep);
  kill_supervisor();
  EXPECT_EQ(code_of(running.result()), errc::supervisor_lost);
  expect_gone(workers);
  ::kill(grandchild, SIGKILL);
  expect_gone({grandchild});
  while (::waitpid(-1, nullptr, WNOHANG) > 0) {  // the one between, which was handed up to us dead
  }
}

// FAILURES row 23: before the pool is there.
TEST_F(pool_orphans, a_supervisor_killed_while_the_pool_is_built_fails_the_constructor) {
  std::jthread killer([](const std::stop_token& over) {
    while (!over.stop_requested()) {
      if (const int pid = supervisor_of_this_process(); pid > 0) ::kill(pid, SIGKILL);
      ::usleep(300);
    }
  });
  unsigned refused = 0;
  for (int i = 0; i < 20; ++i) {
    try {
      pool pool(watched({.workers = 4, .initializer = [] { ::usleep(20'000); }}), add);
      (void)pool.call(add, 1, 2).result();
    } catch (const error& problem) {
      ++refused;
      EXPECT_EQ(problem.code(), errc::supervisor_lost) << problem.report();
    }
  }
  killer.request_stop();
  killer.join();
  EXPECT_GT(refused, 0U);
  (void)holds_in_the_end([&] {  // workers that were handed up to us
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    return belongings::now().children.empty();
  });
}

// ---- FAILURES row 24 --------------------------------------------------------------------------------------------

template <start how>
int serve_for_ever(host_process::stage& stage) {
  const auto nap = selvage::task("nap", [] { ::usleep(300); });
  const auto echo = selvage::task("echo", [](const std::string& text) { return text; });
  for (;;) {
    pool pool({.workers = 3, .start = how, .timeout = 10s, .recycle = {.calls = 20}}, add, nap, echo);
    stage.reached(1);
    for (int round = 0; round < 5; ++round) {
      std::vector<future<int>> sums;
      for (int i = 0; i < 20; ++i) sums.push_back(pool.call(add, i, 1));
      pool.call(nap).detach();
      if (pool.call(echo, std::string(200'000, 'x')).get().size() != 200'000) return 1;
      for (auto& each : sums) (void)each.result();
    }
  }
}

/// Kills hosts of `body`, at any moment.
void expect_to_leave_nothing(int (*body)(host_process::stage&)) {
  tests::random_source random;
  std::vector<std::string> names;
  for (int round = 0; round < 40; ++round) {
    host_process host(body);
    ASSERT_TRUE(round % 2 == 0 || host.wait_for_stage(1));
    ::usleep(static_cast<useconds_t>(random.below(15'000)));
    host.kill();
    ASSERT_EQ(host.left_behind_but_for_names(), "");
    for (const std::string& name : host.names_left()) names.push_back(name);
  }
  for (const std::string& name : names) {
    std::error_code gone;  // whoever builds a pool on this machine sweeps them
    const std::uintmax_t size = std::filesystem::file_size(name, gone);
    EXPECT_TRUE(gone || size == 0) << name;  // killed before it could unlink
  }
  const pool next({.workers = 1}, add);  // sweeps them
  for (const std::string& name : names) EXPECT_FALSE(std::filesystem::exists(name)) << name;
}

// FAILURES row 24
TEST_F(pool_orphans, a_host_killed_at_any_moment_leaves_no_process_and_no_segment) {
  expect_to_leave_nothing(&serve_for_ever<start::fork>);
}

// FAILURES row 24: while its supervisor is a program that is being loaded, too.
TEST_F(pool_orphans, a_host_of_spawned_workers_killed_at_any_moment_leaves_no_process_and_no_segment) {
  expect_to_leave_nothing(&serve_for_ever<start::spawn>);
}

// FAILURES row 24: what a task has left behind goes too.
TEST_F(pool_orphans, a_grandchild_that_left_its_session_ends_with_the_host) {
  host_process host([](host_process::stage& stage) {
    const auto leave = selvage::task("leave", &victims::leave_a_grandchild);
    pool pool({.workers = 2}, leave);
    stage.note(0) = static_cast<std::uint64_t>(pool.call(leave).get());
    stage.reached(1);
    for (;;) ::pause();
    return 0;
  });
  ASSERT_TRUE(host.wait_for_stage(1));
  const int grandchild = static_cast<int>(host.view().note(0));
  ASSERT_FALSE(is_gone(grandchild));
  host.kill();
  EXPECT_EQ(host.left_behind(), "");
  EXPECT_TRUE(is_gone(grandchild));
}

// FAILURES row 24: workers that are deaf to everything but SIGKILL.
TEST_F(pool_orphans, hung_workers_end_with_the_host) {
  host_process host([](host_process::stage& stage) {
    const auto spin = selvage::task("spin", &victims::spin_without_sigterm);
    const auto stop = selvage::task("stop", &victims::stop_itself);
    pool pool({.workers = 2}, spin, stop);
    auto spinning = pool.call(spin);
    auto stopping = pool.call(stop);
    ::usleep(10'000);
    stage.reached(1);
    (void)spinning.result();
    return 0;
  });
  ASSERT_TRUE(host.wait_for_stage(1));
  host.kill();
  EXPECT_EQ(host.left_behind(), "");
}

// FAILURES row 24: a stopped host is no dead host.
TEST_F(pool_orphans, a_host_that_is_stopped_and_continued_finds_its_pool_as_it_was) {
  host_process host([](host_process::stage& stage) {
    pool pool({.workers = 2, .timeout = 100ms}, add);
    for (std::uint64_t i = 1; i < 200; ++i) {
      if (pool.call(add, 1, 2).get() != 3) return 1;
      stage.reached(i);
      ::usleep(1'000);
    }
    return 0;
  });
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(host.wait_for_stage(static_cast<std::uint64_t>(1 + 20 * i)));
    ::kill(host.pid(), SIGSTOP);
    ::usleep(150'000);
    ::kill(host.pid(), SIGCONT);
  }
  EXPECT_EQ(host.exit_status(), 0);
  EXPECT_EQ(host.left_behind(), "");
}

}  // namespace
}  // namespace selvage::test

// FAILURES row 27: hosts that fork, and pools in workers.
#include <sys/mman.h>

#include <atomic>
#include <fstream>
#include <memory>
#include <thread>

#include "tests/support/child.hpp"
#include "tests/support/host_process.hpp"
#include "tests/support/shared_words.hpp"
#include "tests/victims/victims.hpp"

namespace selvage::test {
namespace {

using pool_forks = pool_survives;

// Destroyed by exit(), as the static pools of programs are.
std::unique_ptr<pool>& global() {
  static std::unique_ptr<pool> only;
  return only;
}

// ---- hosts that fork --------------------------------------------------------------------------------------------

// FAILURES row 27
TEST_F(pool_forks, a_forked_child_that_uses_the_pool_is_told_that_it_is_closed) {
  const auto echo = selvage::task("echo", [](const std::string& text) { return text; });
  const gate gate;
  const auto held = selvage::task("held", [&gate](int value) {
    gate.pass();
    return value;
  });
  pool pool(watched({.workers = 2}), add, echo, held);
  auto view = std::make_unique<trusted_view>(pool.call_trusted(echo, std::string(50'000, 'v')).get());
  auto running = pool.call(held, 3);
  std::vector<future<int>> more;
  for (int i = 0; i < 4; ++i) more.push_back(pool.call(held, i + 1));
  tests::child child([&] {
    unsigned called_back = 0;
    const auto closed = [&](const auto& outcome) { called_back += code_of(outcome) == errc::pool_closed ? 1 : 0; };
    pool.call(add, 1, 2).then(closed);
    std::move(more[0]).then(closed);
    more[1].abort();
    if (code_of(more[1].result()) != errc::pool_closed) return 2;
    more[2].detach();
    more[3] = pool.call(add, 1, 2);
    pool.call(add, 1, 2).detach();
    auto tried = pool.try_call(add, 1, 2);
    if (!tried || code_of(tried->result()) != errc::pool_closed) return 3;
    if (code_of(pool.call_trusted(echo, std::string(100, 'x')).result()) != errc::pool_closed) return 4;
    view.reset();
    if (called_back != 2) return 5;
    const bool refused = code_of(pool.call(add, 1, 2).result()) == errc::pool_closed &&
                         code_of(pool.call(echo, std::string(100'000, 'x')).result()) == errc::pool_closed &&
                         code_of(running.result()) == errc::pool_closed;
    pool.shutdown(1s);
    (void)pool.stats();
    return refused ? 0 : 1;
  });
  EXPECT_EQ(child.exit_status(), 0);
  gate.open();
  EXPECT_EQ(running.get(), 3);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(more[static_cast<std::size_t>(i)].get(), i + 1);
  EXPECT_EQ(view->text(), std::string(50'000, 'v'));
  view.reset();
  expect_usable(pool);
}

// FAILURES row 27: its old range may be in use by then.
TEST_F(pool_forks, a_forked_child_that_destroys_the_pool_unmaps_nothing_of_its_own) {
  auto built = std::make_unique<pool>(watched({.workers = 2}), add);
  std::vector<std::pair<std::uintptr_t, std::size_t>> ranges;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    unsigned long begin = 0, end = 0;
    if (line.find("/dev/shm/selvage-") != line.npos && std::sscanf(line.c_str(), "%lx-%lx", &begin, &end) == 2)
      ranges.emplace_back(begin, end - begin);
  }
  ASSERT_FALSE(ranges.empty());
  tests::child child([&] {
    for (const auto& [begin, size] : ranges) {  // they are free there: something else may have them
      void* const got = ::mmap(reinterpret_cast<void*>(begin), size, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
      if (got != reinterpret_cast<void*>(begin)) return 2;
      *static_cast<int*>(got) = 4711;
    }
    built.reset();
    for (const auto& [begin, size] : ranges) {
      if (*reinterpret_cast<int*>(begin) != 4711) return 3;
    }
    return 0;
  });
  EXPECT_EQ(child.exit_status(), 0);
  expect_usable(*built);
}

// FAILURES row 27: its futures have nothing left to ask there.
TEST_F(pool_forks, a_forked_child_may_destroy_the_pool_before_its_futures) {
  const gate gate;
  const auto held = selvage::task("held", [&gate](int value) {
    gate.pass();
    return value;
  });
  auto built = std::make_unique<pool>(watched({.workers = 2}), add, held);
  std::vector<future<int>> calls;
  for (int i = 0; i < 4; ++i) calls.push_back(built->call(held, i));
  tests::child child([&] {
    built.reset();
    pool another({.workers = 1}, add);  // where the old one was, as likely as not
    if (code_of(calls[0].result()) != errc::pool_closed) return 1;
    calls[1].abort();
    bool told = false;
    std::move(calls[2]).then([&told](const auto& outcome) { told = code_of(outcome) == errc::pool_closed; });
    calls.clear();
    return told && another.call(add, 1, 2).get() == 3 ? 0 : 2;
  });
  EXPECT_EQ(child.exit_status(), 0);
  gate.open();
  for (int i = 0; i < 4; ++i) EXPECT_EQ(calls[static_cast<std::size_t>(i)].get(), i);
  expect_usable(*built);
}

// FAILURES row 27: destructors of statics run there, and futures are dropped.
TEST_F(pool_forks, a_forked_child_that_exits_normally_leaves_the_pool_of_its_parent_alone) {
  host_process host([](host_process::stage&) {
    global() = std::make_unique<pool>(pool_options{.workers = 2}, add);
    static std::vector<future<int>> sums;
    for (int round = 0; round < 20; ++round) {
      for (int i = 0; i < 20; ++i) sums.push_back(global()->call(add, i, 1));
      tests::child child([]() -> int { std::exit(5); });
      if (child.exit_status() != 5) return 1;
      for (auto& each : sums) {
        if (!each.result()) return 2;
      }
      sums.clear();
    }
    global().reset();
    return 0;
  });
  EXPECT_EQ(host.exit_status(), 0);
  EXPECT_EQ(host.left_behind(), "");
}

// FAILURES row 27: fork at any moment, with threads in the middle of everything.
TEST_F(pool_forks, forks_from_a_host_under_load_disturb_neither_side) {
  host_process host([](host_process::stage&) {
    global() = std::make_unique<pool>(pool_options{.workers = 2}, add);
    std::atomic<bool> over{false};
    std::atomic<unsigned> failed{0};
    std::vector<std::jthread> callers;
    for (int t = 0; t < 2; ++t) {
      callers.emplace_back([&] {
        while (!over) failed += global()->call(add, 1, 2).result() ? 0 : 1;
      });
    }
    for (int i = 0; i < 200; ++i) {
      tests::child child([]() -> int {
        const bool refused = code_of(global()->call(add, 1, 2).result()) == errc::pool_closed;
        std::exit(refused ? 0 : 1);  // with the destructors of statics
      });
      if (child.exit_status() != 0) {
        over = true;
        return 1;
      }
    }
    over = true;
    callers.clear();
    global().reset();
    return failed == 0 ? 0 : 2;
  });
  EXPECT_EQ(host.exit_status(), 0);
  EXPECT_EQ(host.left_behind(), "");
}

// FAILURES row 27: the child is a host of its own.
TEST_F(pool_forks, a_forked_child_builds_a_pool_of_its_own) {
  pool outer(watched({.workers = 2}), add);
  expect_usable(outer);
  tests::child child([] {
    pool inner({.workers = 2}, add);
    return inner.call(add, 20, 22).get() == 42 ? 0 : 2;
  });
  EXPECT_EQ(child.exit_status(), 0);
  expect_usable(outer);
}

// The view keeps the pool's memory; the call behind it goes last, and must not look for the pool again.
TEST_F(pool_forks, a_view_in_a_forked_child_outlives_its_pool) {
  const auto text = selvage::task("text", [](std::uint64_t size) { return std::string(size, 'x'); });
  auto built = std::make_unique<pool>(watched({.workers = 1}), add, text);
  trusted_view view = built->call_trusted(text, 50'000).get();
  const pid_t child = ::fork();
  if (child == 0) {
    built.reset();
    view = {};
    ::_exit(0);
  }
  EXPECT_EQ(wait_for_child(child), 0);
  EXPECT_EQ(view.text(), std::string(50'000, 'x'));
  expect_usable(*built);
}

// ---- pools in workers -------------------------------------------------------------------------------------------

// FAILURES row 27
TEST_F(pool_forks, a_pool_built_in_a_worker_works_and_ends_with_it) {
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

}  // namespace
}  // namespace selvage::test

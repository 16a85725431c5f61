// Tasks with limits or permissions of their own: each class of them has its own workers, queue and errors.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <set>

#include "tests/support/pool_fixture.hpp"
#include "tests/support/shared_words.hpp"
#include "tests/victims/victims.hpp"

namespace selvage::test {
namespace {

using ::testing::HasSubstr;

int own_pid() { return ::getpid(); }
int open_it(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd == -1) return errno;
  ::close(fd);
  return 0;
}
bool allocates(std::uint64_t bytes) {
  try {
    const std::vector<char> block(bytes, 'x');
    return block[bytes / 2] == 'x';
  } catch (const std::bad_alloc&) {
    return false;
  }
}

class classes : public pool_survives, public ::testing::WithParamInterface<start> {
 protected:
  [[nodiscard]] pool_options started(pool_options options) {
    options.start = GetParam();
    if (options.permissions == permissions()) options.permissions = permissions::unsafe();
    return watched(std::move(options));
  }
};
INSTANTIATE_TEST_SUITE_P(by, classes, ::testing::Values(start::fork, start::spawn),
                         [](const auto& info) { return info.param == start::fork ? "fork" : "spawn"; });

TEST_P(classes, tasks_with_limits_of_their_own_have_workers_of_their_own) {
  const auto free = selvage::task("free", &own_pid);
  const auto small = selvage::task("small", &own_pid, {.memory = 64_MiB});
  const auto small_too = selvage::task("small_too", &own_pid, {.memory = 64_MiB});
  const auto quick = selvage::task("quick", &own_pid, {.cpu = 1s});
  pool pool(started({.workers = 2}), free, small, small_too, quick);
  const auto pids_of = [&](const auto& task) {
    std::set<int> pids;
    std::vector<future<int>> calls;
    for (int i = 0; i < 200; ++i) calls.push_back(pool.call(task));
    for (auto& each : calls) pids.insert(each.get());
    return pids;
  };
  const std::set<int> of_free = pids_of(free), of_small = pids_of(small), of_quick = pids_of(quick);
  for (const int pid : pids_of(small_too)) EXPECT_FALSE(of_free.contains(pid) || of_quick.contains(pid));
  for (const int pid : of_free) EXPECT_FALSE(of_small.contains(pid) || of_quick.contains(pid));
  for (const int pid : of_small) EXPECT_FALSE(of_quick.contains(pid));
  const pool_stats seen = pool.stats();
  ASSERT_EQ(seen.lanes.size(), 6U);
  EXPECT_EQ(seen.lanes[1].task_class, 0U);
  EXPECT_EQ(seen.lanes[2].task_class, 1U);
  EXPECT_EQ(seen.lanes[5].task_class, 2U);
  EXPECT_EQ(seen.tasks[2].task_class, 1U);
  EXPECT_EQ(seen.tasks[3].task_class, 2U);
}

TEST_P(classes, each_is_held_to_its_own_limits) {
  const auto free = selvage::task("free", &allocates);
  const auto small = selvage::task("small", &allocates, {.memory = 32_MiB});
  const auto large = selvage::task("large", &allocates, {.memory = 256_MiB});
  const auto burn = selvage::task("burn", &victims::burn_processor_time, {.cpu = 50ms});
  pool pool(started({.workers = 1, .memory = 100_MiB}), free, small, large, burn);
  EXPECT_FALSE(pool.call(small, 64U << 20U).get());
  EXPECT_TRUE(pool.call(free, 64U << 20U).get());
  EXPECT_FALSE(pool.call(free, 128U << 20U).get());
  EXPECT_TRUE(pool.call(large, 128U << 20U).get());
  const auto outcome = pool.call(burn, 1, 10'000'000'000).result();
  ASSERT_EQ(code_of(outcome), errc::cpu_limit);
  EXPECT_THAT(outcome.error().what(), HasSubstr("its limit is 50 ms"));
  EXPECT_TRUE(pool.call(large, 128U << 20U).get());
}

// A class that has enough to do holds up no other, whether its calls run, wait behind one, or are queued.
TEST_F(pool_survives, a_busy_class_keeps_no_other_waiting) {
  const gate gate;
  const auto held = selvage::task("held", [&gate] { gate.pass(); });
  const auto other = selvage::task("other", &own_pid, {.files = 100});
  pool pool(watched({.workers = 1, .queue = 50}), held, other);
  std::vector<future<void>> stuck;
  while (true) {
    auto call = pool.try_call(held);
    if (!call) {
      EXPECT_EQ(call.error().code(), errc::queue_full);
      break;
    }
    stuck.push_back(std::move(*call));
  }
  EXPECT_GE(stuck.size(), 50U);
  for (int i = 0; i < 300; ++i) EXPECT_GT(pool.call(other).get(), 0);
  EXPECT_TRUE(pool.try_call(other)) << "its own queue has room";
  gate.open();
  for (auto& each : stuck) EXPECT_TRUE(each.result());
}

TEST_F(pool_survives, a_death_moves_calls_to_workers_of_their_class_only) {
  const gate gate;
  const auto die = selvage::task("die", [&gate] {
    gate.pass();
    victims::kill_itself();
  });
  const auto pid = selvage::task("pid", &own_pid);
  const auto other = selvage::task("other", &own_pid, {.files = 100});
  pool pool(watched({.workers = 1, .depth = {.window = 1s}}), pid, die, other);
  const int of_other = pool.call(other).get();
  auto dead = pool.call(die);
  std::vector<future<int>> behind;
  for (int i = 0; i < 20; ++i) behind.push_back(pool.call(pid));
  gate.open();
  EXPECT_EQ(code_of(dead.result()), errc::crashed);
  for (auto& each : behind) EXPECT_NE(each.get(), of_other);
  EXPECT_EQ(pool.call(other).get(), of_other);
}

TEST_F(pool_survives, a_future_of_one_class_is_an_argument_for_another) {
  const auto twice = selvage::task("twice", [](int n) { return 2 * n; });
  const auto more = selvage::task("more", [](int n) { return n + 1; }, {.memory = 64_MiB});
  pool pool(watched({.workers = 1}), twice, more);
  for (int i = 0; i < 100; ++i)
    EXPECT_EQ(pool.call(twice, pool.call(more, pool.call(twice, i))).get(), 2 * (2 * i + 1));
}

TEST_F(pool_survives, aborts_and_closing_reach_the_queue_of_every_class) {
  const gate gate;
  const auto held = selvage::task("held", [&gate] { gate.pass(); }, {.files = 100});
  auto built = std::make_unique<pool>(watched({.workers = 1, .depth = {.maximum = 1}}), add, held);
  std::vector<future<void>> stuck;
  for (int i = 0; i < 30; ++i) stuck.push_back(built->call(held));
  EXPECT_GE(built->stats().queued, 28U);
  stuck[20].abort();
  EXPECT_EQ(code_of(stuck[20].result()), errc::aborted);
  built.reset();
  for (int i = 0; i < 30; ++i) {
    if (i == 20) continue;
    EXPECT_EQ(code_of(stuck[static_cast<std::size_t>(i)].result()), errc::pool_closed);
  }
}

// ---- permissions ----------------------------------------------------------------------------------------------------

class folder {
 public:
  folder() {
    std::filesystem::create_directories(path_ / "inner");
    std::ofstream(path_ / "file") << "content";
    std::ofstream(path_ / "inner" / "file") << "content";
  }
  ~folder() { std::filesystem::remove_all(path_); }
  folder(const folder&) = delete;
  folder& operator=(const folder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_ =
      std::filesystem::temp_directory_path() / ("selvage-class-" + std::to_string(::getpid()));
};

TEST_P(classes, a_task_may_be_granted_less_than_its_pool) {
  const folder folder;
  const std::string outer = folder.path() / "file", inner = folder.path() / "inner" / "file";
  const auto all = selvage::task("all", &open_it);
  const auto some =
      selvage::task("some", &open_it, {.permissions = permissions::strict().read(folder.path() / "inner")});
  const auto none = selvage::task("none", &open_it, {.permissions = permissions::strict()});
  pool pool(started({.workers = 1, .permissions = permissions::strict().read(folder.path())}), all, some, none);
  EXPECT_EQ(pool.call(all, outer).get(), 0);
  EXPECT_EQ(pool.call(all, inner).get(), 0);
  EXPECT_EQ(pool.call(some, outer).get(), EACCES);
  EXPECT_EQ(pool.call(some, inner).get(), 0);
  EXPECT_EQ(pool.call(none, inner).get(), EACCES);
}

TEST_F(pool_survives, a_strict_task_of_an_unsafe_pool_is_strict) {
  const auto all = selvage::task("all", &open_it);
  const auto none = selvage::task("none", &open_it, {.permissions = permissions::strict()});
  pool pool(watched({.workers = 1}), all, none);
  EXPECT_EQ(pool.call(all, "/etc/hostname").get(), 0);
  EXPECT_EQ(pool.call(none, "/etc/hostname").get(), EACCES);
}

TEST_F(pool_survives, a_task_that_asks_for_more_than_its_pool_grants_is_refused_by_name) {
  const folder folder;
  std::filesystem::create_symlink("/usr", folder.path() / "away");
  const permissions granted = permissions::strict()
                                  .read(folder.path())
                                  .write(folder.path() / "inner")
                                  .env("HOME")
                                  .net(tcp_connect{443})
                                  .threads(4);
  const auto told = [&](const permissions& wanted) -> std::string {
    const auto greedy = selvage::task("greedy", &open_it, {.permissions = wanted});
    try {
      const pool pool({.workers = 1, .permissions = granted}, greedy);
    } catch (const error& problem) {
      EXPECT_EQ(problem.code(), errc::invalid_options);
      EXPECT_THAT(problem.what(), HasSubstr("task_options::permissions of task 'greedy': "));
      return problem.what();
    }
    return "nothing";
  };
  const permissions strict = permissions::strict();
  EXPECT_THAT(told(permissions::unsafe()), HasSubstr("unsafe() is more than its pool grants"));
  EXPECT_THAT(told(strict.read("/usr")), HasSubstr("read(\"/usr\")"));
  EXPECT_THAT(told(strict.read(folder.path() / "away")), HasSubstr("away\")")) << "wherever the link leads";
  EXPECT_THAT(told(strict.write(folder.path())), HasSubstr("write("));
  EXPECT_THAT(told(strict.env("PATH")), HasSubstr("env(\"PATH\")"));
  EXPECT_THAT(told(strict.net(tcp_connect{80})), HasSubstr("tcp_connect{80}"));
  EXPECT_THAT(told(strict.net(tcp_listen{443})), HasSubstr("tcp_listen{443}"));
  EXPECT_THAT(told(strict.net(udp{})), HasSubstr("udp"));
  EXPECT_THAT(told(strict.console(true)), HasSubstr("console"));
  EXPECT_THAT(told(strict.jit(true)), HasSubstr("jit"));
  EXPECT_THAT(told(strict.threads(5)), HasSubstr("threads(5)"));
  EXPECT_THAT(told(strict.read("/no/such/path")), HasSubstr("/no/such/path"));
  EXPECT_EQ(told(granted), "nothing");
  EXPECT_EQ(told(strict.read(folder.path() / "inner").threads(4)), "nothing");
}

// ---- what cannot be -------------------------------------------------------------------------------------------------

TEST_F(pool_survives, more_lanes_than_there_can_be_are_refused_by_the_task_that_wants_them) {
  std::vector<any_task> tasks;
  for (unsigned i = 1; i <= 13; ++i)
    tasks.emplace_back(selvage::task("task" + std::to_string(i), &own_pid, {.files = 10 + i}));
  const auto build = [&](unsigned workers) -> std::string {
    try {
      const pool pool({.workers = workers}, tasks);
    } catch (const error& problem) {
      EXPECT_EQ(problem.code(), errc::invalid_options);
      return problem.what();
    }
    return "built";
  };
  EXPECT_THAT(build(10), HasSubstr("'task13'"));
  EXPECT_EQ(build(1), "built");
}

TEST_F(pool_survives, a_tasks_limits_that_are_out_of_range_are_refused_by_name) {
  for (const task_options& options : {task_options{.cpu = -1ns}, task_options{.stack = 1_KiB}}) {
    const auto bad = selvage::task("bad", &own_pid, options);
    try {
      const pool pool({.workers = 1}, bad);
      FAIL() << "built";
    } catch (const error& problem) {
      EXPECT_EQ(problem.code(), errc::invalid_options);
      EXPECT_THAT(problem.what(), HasSubstr(options.stack.count != 0 ? "task_options::stack of task 'bad'"
                                                                     : "task_options::cpu of task 'bad'"));
    }
  }
}

}  // namespace
}  // namespace selvage::test

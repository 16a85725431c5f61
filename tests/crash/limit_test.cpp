// FAILURES rows 11, 12 and 13: what a worker may use, in both ways to start a pool. Each limit that is hit is an error
// of its own with the number in it, costs one call, and no sibling notices.
#include <gmock/gmock.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/support/child.hpp"
#include "tests/support/host_process.hpp"
#include "tests/support/pool_fixture.hpp"
#include "tests/support/processes.hpp"
#include "tests/victims/victims.hpp"
#include "worker/bpf.hpp"

namespace selvage::test {
namespace {

using ::testing::HasSubstr;

// Plain functions, so that the same ones can be run by forked workers and by those of a program that started afresh.
const auto burn = selvage::task("burn", &victims::burn_processor_time);
const auto deny = selvage::task("deny", &victims::burn_without_having_started);
const auto open_files = selvage::task("open_files", &victims::open_files_without_end);
const auto write_file = selvage::task("write_file", &victims::write_without_end);
const auto start_threads = selvage::task("start_threads", &victims::start_threads_without_end);
const auto count_threads = selvage::task("count_threads", &victims::count_threads_until_refused);
const auto fork_on = selvage::task("fork_on", &victims::fork_without_end);
const auto use_stack = selvage::task("use_stack", &victims::use_the_stack);
const auto nap = selvage::task(
    "nap", +[](int ms) {
      ::usleep(static_cast<useconds_t>(ms) * 1000);
      return ms;
    });

class limits : public pool_survives, public ::testing::WithParamInterface<start> {
 protected:
  [[nodiscard]] pool_options started(pool_options options) {
    options.start = GetParam();
    if (!options.permissions.granted().threads) options.permissions = permissions::unsafe();
    return watched(std::move(options));
  }
  [[nodiscard]] static std::string text_of(const error& problem) { return problem.what(); }
};

INSTANTIATE_TEST_SUITE_P(by, limits, ::testing::Values(start::fork, start::spawn),
                         [](const auto& info) { return info.param == start::fork ? "fork" : "spawn"; });

constexpr std::int64_t for_ever = 100'000'000'000;

// ---- processor time -------------------------------------------------------------------------------------------------

// FAILURES row 13
TEST_P(limits, processor_time_that_is_used_up_ends_the_call_and_no_other) {
  pool pool(started({.workers = 2, .cpu = 100ms}), add, burn, nap);
  auto burns = pool.call(burn, 1, for_ever);
  auto naps = pool.call(nap, 400);
  const auto outcome = burns.result();
  ASSERT_EQ(code_of(outcome), errc::cpu_limit) << text_of(outcome.error());
  EXPECT_THAT(text_of(outcome.error()), HasSubstr("its limit is 100 ms (pool_options::cpu)"));
  EXPECT_GE(outcome.error().details().usage.user_time + outcome.error().details().usage.system_time, 100ms);
  EXPECT_EQ(outcome.error().details().signal, SIGKILL);
  EXPECT_EQ(naps.get(), 400) << "time that passes is not time that is used";
  EXPECT_EQ(pool.stats().restarts.cpu_limit, 1U);
  expect_usable(pool);
}

TEST_P(limits, processor_time_is_counted_for_each_call_by_itself) {
  pool pool(started({.workers = 1, .cpu = 200ms}), add, burn);
  for (int i = 0; i < 12; ++i) EXPECT_TRUE(pool.call(burn, 1, 40'000'000).result());
  std::vector<future<void>> behind_each_other;
  for (int i = 0; i < 12; ++i) behind_each_other.push_back(pool.call(burn, 1, 40'000'000));
  for (auto& each : behind_each_other) EXPECT_TRUE(each.result());
  EXPECT_EQ(pool.stats().lanes[0].epoch, 1U);
}

TEST_P(limits, processor_time_of_all_threads_counts) {
  pool pool(started({.workers = 1, .cpu = 300ms}), add, burn);
  EXPECT_EQ(code_of(pool.call(burn, 4, for_ever).result()), errc::cpu_limit);
  EXPECT_EQ(code_of(pool.call(burn, 4, 100'000'000).result()), errc::cpu_limit) << "400 ms together";
  expect_usable(pool);
}

// FAILURES rows 13 and 14: the worker's own words are not believed to its own advantage.
TEST_P(limits, processor_time_runs_out_for_a_liar_too) {
  pool pool(started({.workers = 2, .cpu = 50ms}), add, deny);
  EXPECT_EQ(code_of(pool.call(deny).result()), errc::cpu_limit);
  expect_usable(pool);
}

TEST_P(limits, of_both_kinds_of_time_hold_whichever_is_over_first) {
  pool pool(started({.workers = 2, .timeout = 10s, .cpu = 100ms}), add, burn, nap);
  EXPECT_EQ(code_of(pool.call(burn, 1, for_ever).result()), errc::cpu_limit);
  EXPECT_EQ(code_of(pool.call_with({.timeout = 300ms}, nap, 100'000).result()), errc::timed_out);
  EXPECT_EQ(code_of(pool.call_with({.timeout = 20ms}, burn, 1, for_ever).result()), errc::timed_out);
  expect_usable(pool);
}

// ---- files ----------------------------------------------------------------------------------------------------------

// FAILURES row 13
TEST_P(limits, open_files_are_limited_by_number) {
  pool pool(started({.workers = 2, .files = 7}), add, open_files);
  const auto outcome = pool.call(open_files).result();
  ASSERT_EQ(code_of(outcome), errc::file_limit);
  EXPECT_THAT(text_of(outcome.error()), HasSubstr("file 8"));
  EXPECT_THAT(text_of(outcome.error()), HasSubstr("7 descriptors open at once (pool_options::files)"));
  expect_usable(pool);
}

// FAILURES row 13
TEST_P(limits, a_files_size_is_limited) {
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("selvage-limit-" + std::to_string(::getpid()));
  {
    pool pool(started({.workers = 2, .file_size = 1_MiB}), add, write_file);
    const auto killed = pool.call(write_file, path.string(), false).result();
    ASSERT_EQ(code_of(killed), errc::file_limit) << text_of(killed.error());
    EXPECT_EQ(killed.error().details().signal, SIGXFSZ);
    EXPECT_THAT(text_of(killed.error()), HasSubstr("1048576 bytes (pool_options::file_size)"));
    EXPECT_EQ(std::filesystem::file_size(path), 1U << 20U);
    const auto told = pool.call(write_file, path.string(), true).result();
    ASSERT_EQ(code_of(told), errc::file_limit) << text_of(told.error());
    EXPECT_EQ(told.error().details().exception_type, "std::system_error");
    EXPECT_EQ(std::filesystem::file_size(path), 1U << 20U);
    expect_usable(pool);
  }
  std::filesystem::remove(path);
}

// ---- threads and processes ------------------------------------------------------------------------------------------

// FAILURES row 11: as root as well, whom RLIMIT_NPROC does not bind.
TEST_P(limits, a_thread_bomb_is_refused_more_than_it_may_have) {
  pool pool(started({.workers = 2, .permissions = permissions::unsafe().threads(10)}), add, start_threads);
  const auto outcome = pool.call(start_threads, 100'000).result();
  ASSERT_EQ(code_of(outcome), errc::thread_limit) << text_of(outcome.error());
  EXPECT_THAT(text_of(outcome.error()), HasSubstr("10 threads beside its own (permissions::threads)"));
  expect_usable(pool);
}

TEST_P(limits, threads_that_have_ended_do_not_count) {
  pool pool(started({.workers = 1, .permissions = permissions::unsafe().threads(3)}), add, count_threads);
  for (int i = 0; i < 5; ++i) EXPECT_GE(pool.call(count_threads, 3).get(), 3);
  EXPECT_GE(pool.call(count_threads, 100).get(), 3);
}

TEST_P(limits, no_thread_at_all_may_be_allowed) {
  pool pool(started({.workers = 1, .permissions = permissions::unsafe().threads(0)}), add, count_threads,
            start_threads);
  EXPECT_EQ(pool.call(count_threads, 5).get(), 0);
  EXPECT_EQ(code_of(pool.call(start_threads, 5).result()), errc::thread_limit);
  expect_usable(pool);
}

// FAILURES row 11: a process that leaves its session and its parent is counted too, and gone with the worker.
TEST_P(limits, a_fork_bomb_is_bounded_and_gone_after_the_recycle) {
  const auto crash = selvage::task("crash", &victims::kill_itself);
  const std::size_t before = tests::descendants_of(::getpid()).size();
  pool pool(started({.workers = 1, .permissions = permissions::unsafe().threads(12)}), add, fork_on, crash);
  const int forked = pool.call(fork_on, 500).get();
  EXPECT_GT(forked, 0);
  EXPECT_LE(forked, 24);
  EXPECT_LE(tests::descendants_of(::getpid()).size(), before + 2 + 24) << "supervisor and worker, and twice the limit";
  EXPECT_EQ(code_of(pool.call(crash).result()), errc::crashed);
  expect_usable(pool);
  EXPECT_TRUE(holds_in_the_end([&] { return tests::descendants_of(::getpid()).size() == before + 2; }));
}

// A container's runtime may listen to what its processes do. The kernel has room for one listener.
TEST_F(pool_survives, threads_that_cannot_be_counted_are_an_error_where_their_number_was_asked_for) {
  tests::child child([] {
    worker::bpf::assembler allow;
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    const base::unique_fd listener = worker::bpf::install_with_listener(allow.finish(SECCOMP_RET_ALLOW).assemble());
    try {
      const pool refused({.workers = 1, .permissions = permissions::unsafe().threads(4)}, add);
      return 1;
    } catch (const error& problem) {
      if (problem.code() != errc::sandbox_unavailable) return 2;
    }
    pool anyway({.workers = 1, .permissions = permissions::unsafe().threads(4).best_effort(true)}, add, count_threads);
    if (anyway.call(count_threads, 6).get() != 6) return 3;
    pool strict({.workers = 1, .permissions = permissions::strict()}, add, count_threads);
    return strict.call(count_threads, 6).get() == 6 ? 0 : 4;
  });
  EXPECT_EQ(child.exit_status(), 0);
}

// ---- memory ---------------------------------------------------------------------------------------------------------

constexpr std::uint64_t much = 256U << 20U;

// FAILURES row 12: what RLIMIT_DATA does not count is not to be had.
TEST_P(limits, memory_that_its_limit_does_not_count_is_not_to_be_had) {
  const auto shared = selvage::task("shared", &victims::map_shared_memory);
  const auto downwards = selvage::task("downwards", &victims::map_downwards);
  const auto file = selvage::task("file", &victims::fill_a_memory_file);
  const auto segment = selvage::task("segment", &victims::make_a_shared_segment);
  pool pool(started({.workers = 1, .memory = 64_MiB}), add, shared, downwards, file, segment);
  EXPECT_EQ(pool.call(shared, much).get(), ENOMEM);
  EXPECT_EQ(pool.call(downwards, much).get(), ENOMEM);
  EXPECT_EQ(pool.call(file, much).get(), ENOMEM);
  EXPECT_EQ(pool.call(segment, much).get(), ENOMEM);
  expect_usable(pool);
}

// FAILURES row 12: nor can it be had by making read-only what was written, which RLIMIT_DATA forgets then.
TEST_P(limits, memory_that_is_made_read_only_counts_all_the_same) {
  const auto fill = selvage::task("fill", &victims::fill_and_protect);
  pool pool(started({.workers = 2, .memory = 64_MiB}), add, fill);
  EXPECT_EQ(pool.call(fill, 32U << 20U).get(), 0);
  const auto outcome = pool.call(fill, 4 * much).result();
  ASSERT_EQ(code_of(outcome), errc::out_of_memory);
  EXPECT_THAT(text_of(outcome.error()), HasSubstr("its limit is 67108864 (pool_options::memory)"));
  EXPECT_EQ(pool.stats().restarts.memory_limit, 1U);
  expect_usable(pool);
}

TEST_P(limits, without_a_limit_of_memory_all_kinds_of_it_can_be_had) {
  const auto shared = selvage::task("shared", &victims::map_shared_memory);
  const auto downwards = selvage::task("downwards", &victims::map_downwards);
  const auto file = selvage::task("file", &victims::fill_a_memory_file);
  pool pool(started({.workers = 1}), shared, downwards, file);
  for (const auto& kind : {shared, downwards, file}) EXPECT_EQ(pool.call(kind, 1U << 20U).get(), 0);
}

// A group of processes that may have so much memory, the test's own, where this process may make one.
class memory_group {
 public:
  explicit memory_group(std::uint64_t bytes) {
    std::error_code wrong;
    const std::string name = "selvage-test-" + std::to_string(::getpid());
    if (const std::filesystem::path old = "/sys/fs/cgroup/memory";
        std::filesystem::create_directory(old / name, wrong)) {
      path_ = old / name;
      std::ofstream(path_ / "memory.limit_in_bytes") << bytes;
    } else if (const std::filesystem::path unified = "/sys/fs/cgroup";
               std::filesystem::exists(unified / "cgroup.controllers", wrong) &&
               std::filesystem::create_directory(unified / name, wrong)) {
      path_ = unified / name;
      std::ofstream(path_ / "memory.max") << bytes;
    }
    std::ofstream swap(path_ / "memory.swap.max");
    swap << 0;
  }
  ~memory_group() {
    if (!is_there()) return;
    EXPECT_TRUE(holds_in_the_end([&] { return ::rmdir(path_.c_str()) == 0; })) << path_;
  }
  memory_group(const memory_group&) = delete;
  memory_group& operator=(const memory_group&) = delete;

  [[nodiscard]] bool is_there() const { return !path_.empty(); }
  [[nodiscard]] bool take_in(int pid) const {
    std::ofstream members(path_ / "cgroup.procs");
    members << pid << std::flush;
    return members.good();
  }

 private:
  std::filesystem::path path_;
};

// FAILURES row 12: told apart from a crash, and from anybody else's SIGKILL.
TEST_F(pool_survives, the_machines_oom_killer_is_told_from_another_sigkill) {
  const memory_group group(64U << 20U);
  if (!group.is_there()) GTEST_SKIP() << "this process may not make a memory group";
  host_process host([&group](host_process::stage&) {
    if (!group.take_in(::getpid())) return 77;
    const auto eat = selvage::task("eat", &victims::allocate_without_end);
    const auto kill = selvage::task("kill", &victims::kill_itself);
    pool pool({.workers = 1}, add, eat, kill);
    EXPECT_EQ(code_of(pool.call(kill).result()), errc::crashed);
    const auto eaten = pool.call(eat).result();
    EXPECT_EQ(code_of(eaten), errc::out_of_memory) << eaten.error().what();
    EXPECT_THAT(eaten.error().what(), HasSubstr("OOM killer"));
    EXPECT_EQ(eaten.error().details().signal, SIGKILL);
    EXPECT_EQ(code_of(pool.call(kill).result()), errc::crashed) << "it was at work, but that was before";
    EXPECT_EQ(pool.call(add, 1, 2).get(), 3);
    return 0;
  });
  const int status = host.exit_status();
  if (status == 77) GTEST_SKIP() << "this process may not be put into a memory group";
  EXPECT_EQ(status, 0);
  EXPECT_EQ(host.left_behind(), "");
}

// FAILURES row 12
TEST_P(limits, the_stack_ends_where_it_is_told_to) {
  constexpr std::uint64_t mebibyte = 1U << 20U;
  {
    pool pool(started({.workers = 2, .stack = 2_MiB}), add, use_stack);
    EXPECT_TRUE(pool.call(use_stack, mebibyte).result());
    const auto outcome = pool.call(use_stack, 4 * mebibyte).result();
    ASSERT_EQ(code_of(outcome), errc::crashed);
    EXPECT_EQ(outcome.error().details().signal, SIGSEGV);
    EXPECT_NE(outcome.error().details().fault_address, 0U);
    expect_usable(pool);
  }
  rlimit own{};
  ::getrlimit(RLIMIT_STACK, &own);
  if (own.rlim_cur < 6 * mebibyte) GTEST_SKIP() << "the stack of this process is small itself";
  pool pool(started({.workers = 1}), use_stack);
  EXPECT_TRUE(pool.call(use_stack, 4 * mebibyte).result());
}

// FAILURES row 12: the stack is no way around the limit of memory.
TEST_P(limits, of_memory_leave_the_stack_as_large_as_it_was) {
  rlimit own{};
  ::getrlimit(RLIMIT_STACK, &own);
  if (own.rlim_cur > much) GTEST_SKIP() << "the stack of this process has no bound itself";
  const auto use_more = selvage::task("use_more", &victims::use_a_larger_stack);
  pool_options options = started({.workers = 2, .memory = 64_MiB});
  options.permissions = permissions::strict();  // unsafe root raises what it likes
  pool pool(std::move(options), add, use_more);
  EXPECT_TRUE(pool.call(use_more, own.rlim_cur / 2).result());
  EXPECT_EQ(code_of(pool.call(use_more, own.rlim_cur + (32U << 20U)).result()), errc::crashed);
  expect_usable(pool);
}

// ---- what cannot be asked for ---------------------------------------------------------------------------------------

TEST_P(limits, that_are_out_of_range_are_refused_by_name) {
  const auto told = [&](pool_options options) -> std::string {
    try {
      const pool pool(started(std::move(options)), add);
    } catch (const error& problem) {
      EXPECT_EQ(problem.code(), errc::invalid_options);
      return problem.what();
    }
    return "nothing";
  };
  EXPECT_THAT(told({.workers = 1, .cpu = -1ns}), HasSubstr("pool_options::cpu: must not be negative"));
  EXPECT_THAT(told({.workers = 1, .cpu = 10us}), HasSubstr("pool_options::cpu: must be 0 or at least 1 ms"));
  EXPECT_THAT(told({.workers = 1, .stack = 1_KiB}), HasSubstr("pool_options::stack: must be 0 or at least 128 KiB"));
  EXPECT_THAT(told({.workers = 1, .permissions = permissions::unsafe().threads(1'000'000)}),
              HasSubstr("threads(1000000) is more than 65536"));
}

TEST_F(pool_survives, a_limit_of_the_stack_that_would_not_hold_is_refused) {
  std::string said = "nothing";
  std::thread elsewhere([&] {
    try {
      const pool pool({.workers = 1, .stack = 1_MiB}, add);
    } catch (const error& problem) {
      said = problem.what();
    }
    pool fresh({.workers = 1, .start = start::spawn, .stack = 1_MiB}, add);
    EXPECT_EQ(fresh.call(add, 1, 2).get(), 3);
  });
  elsewhere.join();
  EXPECT_THAT(said, HasSubstr("pool_options::stack"));
}

}  // namespace
}  // namespace selvage::test

// FAILURES rows 1, 8, 14 and 17 in both ways to start a pool: tasks without captured state, so that the same ones can
// be run by forked workers and by those of a program that was started afresh.
#include <filesystem>

#include "tests/support/manners_of_death.hpp"
#include "tests/support/pool_fixture.hpp"
#include "tests/support/random.hpp"
#include "tests/victims/victims.hpp"

namespace selvage::test {
namespace {

class pool_in_both_modes : public pool_survives, public ::testing::WithParamInterface<start> {
 protected:
  [[nodiscard]] pool_options started(pool_options options) {
    options.start = GetParam();
    options.permissions = permissions::unsafe();  // tests/sandbox/ has the strict ones
    return watched(std::move(options));
  }
};

INSTANTIATE_TEST_SUITE_P(by, pool_in_both_modes, ::testing::Values(start::fork, start::spawn),
                         [](const auto& info) { return info.param == start::fork ? "fork" : "spawn"; });

// How often a thread has gone to sleep: its own, or that of a process with one.
std::uint64_t sleeps_of(const std::string& thread) { return tests::context_switches::of_thread(thread).voluntary; }

// A worker that has nothing to do, and a caller whose call takes long: both look again after `park` by themselves.
TEST_P(pool_in_both_modes, who_is_parked_looks_again_in_the_time_of_the_options) {
  const auto nap = selvage::task(
      "nap", +[] { ::usleep(100'000); });
  pool pool(started({.workers = 2, .spin = {.pause = 50, .park = 1ms}}), add, nap);
  expect_usable(pool);
  for (const int pid : all_worker_pids(pool)) {
    const std::filesystem::path worker = "/proc/" + std::to_string(pid);
    const std::uint64_t before = sleeps_of(worker);
    EXPECT_TRUE(holds_in_the_end([&] { return sleeps_of(worker) >= before + 20; })) << pid;
  }
  const std::uint64_t before = sleeps_of("/proc/thread-self");
  while (sleeps_of("/proc/thread-self") < before + 20) pool.call(nap).get();
  expect_usable(pool);
}

// Processor time of another process, which lives.
std::uint64_t cpu_ns_of(int pid) {
  clockid_t clock = 0;
  timespec time{};
  EXPECT_EQ(::clock_getcpuclockid(pid, &clock), 0);
  EXPECT_EQ(::clock_gettime(clock, &time), 0);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(time.tv_nsec);
}

// A look that finds nothing is no reason to spin again, or such a worker would never cease to.
TEST_P(pool_in_both_modes, who_looks_again_in_vain_does_not_spin) {
  pool pool(started({.workers = 1, .spin = {.worker = 1s, .park = 100us}}), add);
  expect_usable(pool);
  const int worker = all_worker_pids(pool)[0];
  EXPECT_TRUE(holds_in_the_end([&] {
    const std::uint64_t before = cpu_ns_of(worker);
    ::usleep(300'000);
    return cpu_ns_of(worker) - before < 150'000'000;
  }));
  expect_usable(pool);
}

// Without it nobody looks until there is something to see.
TEST_P(pool_in_both_modes, who_is_parked_sleeps_until_it_is_woken) {
  const auto nap = selvage::task(
      "nap", +[] { ::usleep(300'000); });
  pool pool(started({.workers = 2}), add, nap);
  expect_usable(pool);
  const std::vector<int> pids = all_worker_pids(pool);
  ::usleep(50'000);
  const std::uint64_t idle_before = sleeps_of("/proc/" + std::to_string(pids[1]));
  const std::uint64_t before = sleeps_of("/proc/thread-self");
  pool.call(nap).get();
  EXPECT_LE(sleeps_of("/proc/thread-self"), before + 10);
  EXPECT_LE(sleeps_of("/proc/" + std::to_string(pids[1])), idle_before + 10);
}

// FAILURES row 1
TEST_P(pool_in_both_modes, however_a_worker_dies_one_call_pays) {
  const auto options = [this] { return started({.workers = 2}); };
  expect_one_call_to_pay(manners_of_death, options);
  constexpr manner_of_death more[] = {{&victims::touch_behind_the_end, errc::crashed, SIGBUS},
                                      {&victims::leave_its_main_thread, errc::exited, 0}};
  expect_one_call_to_pay(more, options);
}

// FAILURES row 8
TEST_P(pool_in_both_modes, however_a_task_hangs_it_is_ended_at_its_limit) {
  for (void (*const victim)() : {&victims::spin_without_sigterm, &victims::sleep_for_ever,
                                 &victims::deadlock_on_its_own_mutex, &victims::stop_itself}) {
    const auto hang = selvage::task("hang", victim, {.timeout = 50ms});
    pool pool(started({.workers = 2}), add, hang);
    const auto outcome = pool.call(hang).result();
    ASSERT_EQ(code_of(outcome), errc::timed_out);
    EXPECT_TRUE(is_gone(outcome.error().details().worker_pid));
    expect_usable(pool);
  }
}

// FAILURES row 14
TEST_P(pool_in_both_modes, a_worker_that_overwrote_its_answers_is_outlived) {
  tests::random_source random;
  const auto lie = selvage::task("lie", &victims::scribble_over_the_responses, {.timeout = 100ms});
  pool pool(started({.workers = 2, .timeout = 1s, .restart = {.budget = 1000}}), add, lie);
  for (int round = 0; round < 10; ++round) {
    (void)pool.call(lie, random.bits()).result();
    replace_workers(pool);
    expect_usable(pool);
  }
}

// FAILURES row 17
TEST_P(pool_in_both_modes, what_is_not_the_workers_own_is_refused) {
  for (int (*const attempt)() :
       {&victims::write_the_request_region, &victims::make_the_requests_writable, &victims::grow_a_mapping,
        &victims::duplicate_a_mapping, &victims::move_a_mapping, &victims::move_a_range_that_reaches_in,
        &victims::map_over_a_mapping, &victims::remap_its_pages, &victims::punch_a_hole,
        &victims::punch_a_hole_by_process_madvise, &victims::hand_down_the_lane, &victims::requeue_a_waiter_anew,
        &victims::set_up_io_uring}) {
    const auto reach = selvage::task("reach", attempt);
    pool pool(started({.workers = 1}), add, reach);
    EXPECT_NE(pool.call(reach).get(), 0);
    expect_usable(pool);
  }
}

}  // namespace
}  // namespace selvage::test

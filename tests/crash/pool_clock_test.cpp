// FAILURES row 10: a wall clock that jumps by an hour changes nothing. The machine's own clock is never touched: the
// functions of the C library that tell the time of day are defined here, and so are found first by everything in this
// executable, in its shared libraries and in every process that it forks. What is not the time of day passes through.
#include <dlfcn.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

#include <atomic>
#include <cstdlib>

#include "tests/support/pool_fixture.hpp"
#include "tests/victims/victims.hpp"

namespace selvage::test {
namespace {

using offset_word = std::atomic<long>;

// Shared with all that is forked, so that a step reaches processes that are there already.
offset_word& offset_seconds() {
  static offset_word* const word = [] {
    void* const page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED ? nullptr : new (page) offset_word(0);
  }();
  if (word == nullptr) std::abort();
  return *word;
}

std::atomic<bool> stepped{false};  // in this process or one that it was forked from: the page is not made before that

long offset() { return stepped.load(std::memory_order_relaxed) ? offset_seconds().load(std::memory_order_relaxed) : 0; }

// Made before any pool is: a worker forked earlier sees a later step.
[[maybe_unused]] const bool page_is_there = [] {
  offset_seconds();
  stepped = true;
  return true;
}();

using clock_function = int (*)(clockid_t, timespec*);

clock_function real_clock() {
  static std::atomic<clock_function> found{nullptr};
  clock_function real = found.load(std::memory_order_relaxed);
  if (real == nullptr) {
    real = reinterpret_cast<clock_function>(::dlsym(RTLD_NEXT, "clock_gettime"));
    found.store(real, std::memory_order_relaxed);
  }
  return real;
}

bool is_time_of_day(clockid_t clock) {
  return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI;
}

/// The wall clock is `by` ahead of the real one, or behind it, in this process and its children, until the end of the
/// scope.
class wall_clock_step {
 public:
  explicit wall_clock_step(std::chrono::seconds by) : by_(by) { offset_seconds() += by_.count(); }
  ~wall_clock_step() { offset_seconds() -= by_.count(); }
  wall_clock_step(const wall_clock_step&) = delete;
  wall_clock_step& operator=(const wall_clock_step&) = delete;

 private:
  std::chrono::seconds by_;
};

}  // namespace
}  // namespace selvage::test

extern "C" {

int clock_gettime(clockid_t clock, timespec* out) noexcept {
  const int result = selvage::test::real_clock()(clock, out);
  if (result == 0 && selvage::test::is_time_of_day(clock)) out->tv_sec += selvage::test::offset();
  return result;
}

int gettimeofday(timeval* out, void*) noexcept {
  timespec now;
  if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
  *out = {now.tv_sec, now.tv_nsec / 1000};
  return 0;
}

time_t time(time_t* out) noexcept {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out != nullptr) *out = now.tv_sec;
  return now.tv_sec;
}
}

namespace selvage::test {
namespace {

using pool_clocks = pool_survives;

TEST_F(pool_clocks, the_shim_steps_every_wall_clock_and_no_other) {
  const auto wall = std::chrono::system_clock::now();
  const auto steady = std::chrono::steady_clock::now();
  const wall_clock_step ahead(1h);
  EXPECT_GT(std::chrono::system_clock::now() - wall, 59min);
  EXPECT_LT(std::chrono::steady_clock::now() - steady, 59min);
  EXPECT_GT(::time(nullptr), std::chrono::system_clock::to_time_t(wall) + 3000);
  const auto seen = selvage::task("seen", [] { return std::chrono::system_clock::now(); });
  pool pool(watched({.workers = 1}), seen);
  EXPECT_GT(pool.call(seen).get() - wall, 59min);  // in the workers as well
}

class pool_stepped_clock : public pool_survives, public ::testing::WithParamInterface<int> {};

// FAILURES row 10
TEST_P(pool_stepped_clock, changes_no_deadline_wait_or_recycle) {
  const auto nap = selvage::task("nap", [] { ::usleep(60'000); }, {.timeout = 20s});
  const auto hang = selvage::task("hang", &victims::sleep_for_ever, {.timeout = 2s});
  pool pool(watched({.workers = 2, .recycle = {.age = 1h}}), add, nap, hang);
  const std::uint64_t called = base::now_ns();
  auto napping = pool.call(nap);
  auto hanging = pool.call(hang);
  ::usleep(20'000);
  const wall_clock_step step{std::chrono::hours(GetParam())};
  EXPECT_FALSE(hanging.wait_for(30ms));
  EXPECT_GE(base::now_ns() - called, 50'000'000U);
  EXPECT_TRUE(napping.result().has_value());
  EXPECT_EQ(code_of(hanging.result()), errc::timed_out);
  EXPECT_GE(base::now_ns() - called, 2'000'000'000U);
  expect_usable(pool);
  EXPECT_EQ(pool.stats().restarts.recycled_age, 0U);
  auto last = pool.call(nap);
  pool.shutdown(10s);  // an hour would be over
  EXPECT_TRUE(last.result().has_value());
}

// FAILURES row 10
TEST_P(pool_stepped_clock, wakes_and_strands_nobody_who_waits) {
  pool pool(watched({.workers = 2, .restart = {.backoff = 20ms, .start_timeout = 5s}}), add);
  for (int i = 0; i < 20; ++i) {
    const wall_clock_step step(std::chrono::hours(i % 2 == 0 ? GetParam() : -GetParam()));
    const auto pids = worker_pids(pool);
    if (i % 4 == 0 && !pids.empty()) ::kill(pids[0], SIGKILL);
    ::usleep(2'000);
    expect_usable(pool);
  }
}

INSTANTIATE_TEST_SUITE_P(by_an_hour, pool_stepped_clock, ::testing::Values(1, -1),
                         [](const auto& info) { return info.param > 0 ? "ahead" : "back"; });

}  // namespace
}  // namespace selvage::test

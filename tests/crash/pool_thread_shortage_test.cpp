// FAILURES row 26: no thread can be started in the host.
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>

#include "tests/support/host_process.hpp"

namespace selvage::test {
namespace {

using pool_without_threads = pool_survives;

// A thread's stack is 8 MiB of addresses, and there are none left; nor are stacks of threads that have ended.
void leave_no_room_for_a_stack() {
  std::uint64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  constexpr std::uint64_t little = std::uint64_t{2} << 20U;
  const rlimit limit{pages * 4096 + little, pages * 4096 + little};
  ASSERT_EQ(::setrlimit(RLIMIT_AS, &limit), 0);
  pthread_t waits{};
  const auto wait = [](void*) -> void* {
    for (;;) ::pause();
  };
  while (::pthread_create(&waits, nullptr, wait, nullptr) == 0) ::pthread_detach(waits);
}

TEST_F(pool_without_threads, a_call_that_waits_for_an_input_fails_in_its_future_and_leaves_nothing_behind) {
  host_process host([](host_process::stage&) {
    const auto nap = selvage::task("nap", [](int value) {
      ::usleep(300'000);
      return value;
    });
    pool pool({.workers = 1}, add, nap);
    auto input = pool.call(nap, 1);
    leave_no_room_for_a_stack();
    auto outer = pool.call(add, std::move(input), 2);
    if (code_of(outer.result()) != errc::worker_start_failed) return 1;
    if (pool.call(add, 1, 2).get() != 3) return 2;
    pool.shutdown(std::chrono::hours(1));
    return 0;
  });
  EXPECT_EQ(host.exit_status(), 0);
  EXPECT_EQ(host.left_behind(), "");
}

}  // namespace
}  // namespace selvage::test

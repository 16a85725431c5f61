// FAILURES row 23, from within: a supervisor that fails while it runs, as it would where a filter of the machine
// refuses it a system call. Its wait for events is replaced in this binary: it does what the kernel does until it is to
// fail.
#include <errno.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/pool_fixture.hpp"
#include "tests/support/shared_words.hpp"

namespace {

constexpr std::uint64_t never = 0;
constexpr std::uint64_t now = 1;

// One for all processes of the test: word 0 says when the wait fails.
selvage::test::shared_words& orders() {
  static selvage::test::shared_words words(1);
  return words;
}

}  // namespace

extern "C" int epoll_pwait2(int epoll, epoll_event* events, int most, const timespec* time, const sigset_t* mask) {
  if (orders()[0].load() != never) {
    errno = EPERM;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_epoll_pwait2, epoll, events, most, time, mask, _NSIG / 8));
}

namespace selvage::test {
namespace {

class supervisor_failure : public pool_survives {
 protected:
  supervisor_failure() { orders()[0] = never; }
  ~supervisor_failure() override { orders()[0] = never; }
};

/// The kernel kills the workers of a dead supervisor, and gives them to this process, for it is a subreaper.
void expect_no_worker_left() {
  EXPECT_TRUE(holds_in_the_end([] {
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    return errno == ECHILD;
  })) << "a worker lives on";
}

void expect_lost_with_reason(const tl::expected<int, error>& outcome) {
  ASSERT_EQ(code_of(outcome), errc::supervisor_lost);
  EXPECT_NE(std::string(outcome.error().what()).find("epoll_pwait2"), std::string::npos) << outcome.error().what();
}

TEST_F(supervisor_failure, before_the_first_call_is_an_error_with_its_reason) {
  orders()[0] = now;
  try {
    pool pool({.workers = 1}, add);
    auto outcome = pool.call(add, 1, 2).result();
    while (outcome) outcome = pool.call(add, 1, 2).result();  // a worker may have been faster
    expect_lost_with_reason(outcome);
  } catch (const error& problem) {  // it may be seen while the pool is built
    expect_lost_with_reason(tl::make_unexpected(problem));
  }
  expect_no_worker_left();
}

TEST_F(supervisor_failure, while_a_call_waits_fails_that_call_with_its_reason) {
  const auto sleep = task("sleep", [](int value) {
    ::sleep(60);
    return value;
  });
  {
    pool pool(watched({.workers = 2}), add, sleep);
    EXPECT_EQ(pool.call(add, 1, 2).get(), 3);
    auto waiting = pool.call(sleep, 1);
    orders()[0] = now;
    const auto lanes = pool.stats().lanes;
    const auto& other = lanes[0].in_flight == 0 ? lanes[0] : lanes[1];
    ::kill(other.worker_pid, SIGKILL);  // so that the supervisor wakes up
    expect_lost_with_reason(waiting.result());
    expect_lost_with_reason(pool.call(add, 1, 2).result());
  }
  expect_no_worker_left();
}

}  // namespace
}  // namespace selvage::test

// A worker that is traced cannot be reaped while its tracer lives: the supervisor ends a tracer of the worker's own.

#include <sys/ptrace.h>

#include "tests/crash/supervisor_rig.hpp"

namespace selvage::test {
namespace {

enum : std::uint64_t { not_yet, traced, not_allowed };

/// A child that holds on to its parent and sleeps.
void be_traced_by_a_child(const notes& book, bool own_session) {
  const pid_t target = ::getpid();
  if (::fork() == 0) {
    if (own_session) ::setsid();
    book[0] = ::ptrace(PTRACE_SEIZE, target, nullptr, nullptr) == 0 ? traced : not_allowed;
    for (;;) ::pause();
  }
  while (book[0].load() == not_yet) ::usleep(100);
}

void traced_worker_ends(bool own_session) {
  const notes book;
  supervisor_rig rig({.lanes = 2}, [&](scripted_worker& self) {
    self.open();
    self.serve([&](unsigned) {
      if (self.lane_number() == 1) return;
      be_traced_by_a_child(book, own_session);
      ::_exit(3);
    });
  });
  rig.open(0);
  rig.open(1);
  rig.post(0, {});
  ASSERT_TRUE(eventually([&] { return book[0].load() != not_yet; }));
  if (book[0].load() == not_allowed) GTEST_SKIP() << "this process may not trace its parent";
  const shm::verdict& said = rig.await_death(0);
  EXPECT_EQ(reason(said), shm::verdict_reason::exited);
  EXPECT_EQ(said.exit_status, 3) << "its own status, although another process was reaped first";
  EXPECT_TRUE(rig.await_done(1, rig.post(1, {}))) << "the other lane";
  rig.open(0);
}

TEST(supervisor_tracer, that_is_a_child_of_its_worker_does_not_keep_the_lane_from_closing) {
  traced_worker_ends(false);
}

TEST(supervisor_tracer, with_a_session_of_its_own_does_not_either) { traced_worker_ends(true); }

}  // namespace
}  // namespace selvage::test

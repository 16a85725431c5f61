// How the threads of a worker are counted, and how the supervisor comes to be asked.

#include "supervisor/thread_census.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <atomic>
#include <thread>

#include "shm/guard_line.hpp"
#include "tests/support/child.hpp"

namespace selvage {
namespace {

using supervisor::threads_of;
using supervisor::threads_of_family;

TEST(thread_census, counts_what_there_is) {
  const unsigned before = threads_of(::getpid());
  EXPECT_GE(before, 1U);
  std::atomic<bool> over{false};
  std::thread other([&over] {
    ::prctl(PR_SET_NAME, ") 1 2 3 (");
    while (!over) ::usleep(100);
  });
  EXPECT_EQ(threads_of(::getpid()), before + 1);
  over = true;
  other.join();
  while (threads_of(::getpid()) != before) ::usleep(100);  // the kernel takes it away a moment after it is joined
  EXPECT_EQ(threads_of(0x7ffffff0), 0U) << "nobody has that number";
}

TEST(thread_census, is_not_misled_by_a_name) {
  tests::child child([] {
    ::prctl(PR_SET_NAME, ") R 1 2 3");
    return threads_of(::getpid()) == 1 ? 0 : 1;
  });
  EXPECT_EQ(child.exit_status(), 0);
}

TEST(thread_census, counts_descendants) {
  const supervisor::process_tree tree;
  const auto count = [&tree] { return threads_of_family(::getpid(), {.may_leave_session = false}, tree); };
  const unsigned before = count();
  const tests::child child([] {
    const tests::child grandchild([] { return ::pause(); });
    return ::pause();
  });
  while (count() < before + 2) ::usleep(100);
  EXPECT_EQ(count(), before + 2);
}

TEST(guard_line, carries_one_descriptor_with_a_note) {
  const shm::guard_line line = shm::make_guard_line();
  EXPECT_FALSE(shm::receive_guard(line.supervisors.get())) << "nothing has come";
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const base::unique_fd read_end(ends[0]);
  base::unique_fd write_end(ends[1]);
  shm::send_guard(line.workers.get(), {.epoch = 7, .lane = 3, .reserved = 0}, write_end.get());
  write_end.reset();
  auto got = shm::receive_guard(line.supervisors.get());
  ASSERT_TRUE(got);
  EXPECT_EQ(got->note.epoch, 7U);
  EXPECT_EQ(got->note.lane, 3U);
  EXPECT_NE(::fcntl(got->listener.get(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_EQ(::write(got->listener.get(), "x", 1), 1);
  char byte = 0;
  EXPECT_EQ(::read(read_end.get(), &byte, 1), 1);
}

TEST(guard_line, takes_nothing_else) {
  const shm::guard_line line = shm::make_guard_line();
  ASSERT_EQ(::send(line.workers.get(), "hello", 5, 0), 5);
  EXPECT_FALSE(shm::receive_guard(line.supervisors.get())) << "no note, no descriptor";
  const shm::guard_note note{.epoch = 1, .lane = 0, .reserved = 0};
  ASSERT_EQ(::send(line.workers.get(), &note, sizeof note, 0), static_cast<ssize_t>(sizeof note));
  EXPECT_FALSE(shm::receive_guard(line.supervisors.get())) << "no descriptor";
}

}  // namespace
}  // namespace selvage

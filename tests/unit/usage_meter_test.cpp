// What a process and those that it has started use: counted in children of the test.

#include "supervisor/usage_meter.hpp"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include <array>
#include <csignal>
#include <cstring>

#include "base/clock.hpp"
#include "supervisor/process_stat.hpp"
#include "tests/support/child.hpp"

namespace selvage {
namespace {

using supervisor::private_bytes;
using supervisor::usage_meter;

constexpr std::uint64_t mebibyte = std::uint64_t{1} << 20U;

/// A pipe on which a child says that it has done its part.
class signal_line {
 public:
  signal_line() { EXPECT_EQ(::pipe(ends_), 0); }
  ~signal_line() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  signal_line(const signal_line&) = delete;
  signal_line& operator=(const signal_line&) = delete;
  void say() const { EXPECT_EQ(::write(ends_[1], "x", 1), 1); }
  void wait() const {
    char byte = 0;
    EXPECT_EQ(::read(ends_[0], &byte, 1), 1);
  }

 private:
  int ends_[2] = {-1, -1};
};

void fill(std::uint64_t bytes, int protection_afterwards) {
  void* const memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  std::memset(memory, 1, bytes);
  ASSERT_EQ(::mprotect(memory, bytes, protection_afterwards), 0);
}

TEST(private_bytes, are_what_was_written_to_whatever_may_be_done_with_it_now) {
  const signal_line done;
  const tests::child child([&] {
    fill(32 * mebibyte, PROT_READ);
    done.say();
    return ::pause();
  });
  done.wait();
  EXPECT_GE(private_bytes(child.pid()), 32 * mebibyte);
  EXPECT_EQ(private_bytes(0x7ffffff0), 0U) << "nobody has that number";
}

TEST(process_stat, tells_a_fork_from_a_program) {
  const tests::child child([] { return ::pause(); });
  const supervisor::process_stat its = supervisor::stat_of(child.pid());
  EXPECT_TRUE(its.has_not_executed);
  EXPECT_EQ(its.parent, ::getpid());
  EXPECT_EQ(its.threads, 1U);
  EXPECT_FALSE(supervisor::stat_of(::getpid()).has_not_executed);
  EXPECT_GE(its.started_ns, supervisor::stat_of(::getpid()).started_ns);
}

TEST(usage_meter, finds_more_memory_than_there_may_be_and_waits_until_there_can_be) {
  const signal_line done;
  const base::limits limits{.memory_bytes = 8 * mebibyte, .may_fork = false};
  const supervisor::process_tree tree;
  usage_meter meter(limits, tree);
  meter.begin(base::now_ns());
  const tests::child child([&] {
    fill(40 * mebibyte, PROT_READ);
    done.say();
    return ::pause();
  });
  done.wait();
  const std::uint64_t due = meter.next_look_ns(true);
  EXPECT_FALSE(meter.look(child.pid(), due - 1, true)) << "before its time";
  const auto found = meter.look(child.pid(), due, true);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->reason, shm::verdict_reason::memory_limit);
  EXPECT_GE(found->used, 40 * mebibyte);
  EXPECT_LT(found->used, 60 * mebibyte) << "what it was born with does not count";
}

/// Tells when it has filled its memory and has children like that, which live as long as it does.
int hold_with_children(const signal_line& done, std::uint64_t own_bytes, int children, std::uint64_t bytes_of_child) {
  fill(own_bytes, PROT_READ);
  const pid_t parent = ::getpid();
  for (int i = 0; i < children; ++i) {
    if (::fork() != 0) continue;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (bytes_of_child != 0) fill(bytes_of_child, PROT_READ);
    done.say();
    if (::getppid() == parent) ::pause();
    ::_exit(0);
  }
  done.say();
  return ::pause();
}

TEST(usage_meter, counts_what_forked_processes_share_once_and_what_they_have_made_at_once) {
  const base::limits limits{.memory_bytes = 48 * mebibyte, .may_fork = true};
  supervisor::process_tree tree;
  for (const std::uint64_t bytes_of_child : {std::uint64_t{0}, 20 * mebibyte}) {
    const signal_line done;
    usage_meter meter(limits, tree);
    meter.begin(base::now_ns());
    const tests::child child([&] { return hold_with_children(done, 40 * mebibyte, 3, bytes_of_child); });
    tree.add_worker(child.pid());
    for (int i = 0; i < 4; ++i) done.wait();
    const auto found = meter.look(child.pid(), meter.next_look_ns(true), true);
    ASSERT_EQ(found.has_value(), bytes_of_child != 0) << (found ? found->used : 0);
    if (found) {
      EXPECT_GE(found->used, 80 * mebibyte) << "none of them is a second old";
    }
  }
}

TEST(usage_meter, counts_memory_that_two_processes_run_in_once) {
  const signal_line done;
  const base::limits limits{.memory_bytes = 48 * mebibyte, .may_fork = true};
  supervisor::process_tree tree;
  usage_meter meter(limits, tree);
  meter.begin(base::now_ns());
  const tests::child child([&] {
    fill(40 * mebibyte, PROT_READ);
    alignas(16) static std::array<char, 65'536> stack;
    static const pid_t parent = ::getpid();
    const auto wait_for_ever = [](void*) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      return ::getppid() == parent ? ::pause() : 0;  // it may have been killed before
    };
    EXPECT_GT(::clone(wait_for_ever, stack.data() + stack.size(), CLONE_VM | SIGCHLD, nullptr), 0);
    done.say();
    return ::pause();
  });
  tree.add_worker(child.pid());
  done.wait();
  EXPECT_FALSE(meter.look(child.pid(), meter.next_look_ns(true), true));
}

TEST(usage_meter, lets_go_what_is_within_the_limit) {
  const base::limits limits{.memory_bytes = 800 * mebibyte, .may_fork = false};
  const supervisor::process_tree tree;
  usage_meter meter(limits, tree);
  meter.begin(base::now_ns());
  const tests::child child([] { return ::pause(); });
  const std::uint64_t due = meter.next_look_ns(true);
  EXPECT_FALSE(meter.look(child.pid(), due, true));
  EXPECT_GT(meter.next_look_ns(true), due);
  EXPECT_GE(meter.next_look_ns(false), meter.next_look_ns(true)) << "what runs nothing is looked at more rarely";
}

TEST(usage_meter, looks_at_nothing_without_a_limit) {
  const base::limits limits{};
  const supervisor::process_tree tree;
  usage_meter meter(limits, tree);
  meter.begin(base::now_ns());
  EXPECT_EQ(meter.next_look_ns(true), base::never_ns);
  EXPECT_EQ(meter.next_look_ns(false), base::never_ns);
  EXPECT_FALSE(meter.look(::getpid(), base::now_ns(), true));
}

TEST(usage_meter, counts_threads_of_all_processes) {
  const signal_line done;
  const base::limits limits{.threads_seen = 3};
  const supervisor::process_tree tree;
  usage_meter meter(limits, tree);
  meter.begin(base::now_ns());
  const tests::child child([&] {
    const pid_t parent = ::getpid();
    for (int i = 0; i < 5; ++i) {
      if (::fork() != 0) continue;
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() == parent) ::pause();
      ::_exit(0);
    }
    done.say();
    ::pause();
    return 0;
  });
  done.wait();
  const auto found = meter.look(child.pid(), meter.next_look_ns(true), true);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->reason, shm::verdict_reason::thread_limit);
  EXPECT_GE(found->used, 4U) << "the walk ends where it is enough";
}

TEST(usage_meter, never_says_less_processor_time_than_before) {
  const base::limits limits{.cpu_ns = 1};
  const supervisor::process_tree tree;
  usage_meter meter(limits, tree);
  meter.begin(base::now_ns());
  std::uint64_t with_child = 0;
  {
    const tests::child child([] {
      for (;;) (void)base::now_ns();
      return 0;
    });
    const std::uint64_t without = base::processor_time_ns(::getpid());
    while ((with_child = meter.processor_time_ns(::getpid(), true)) < without + 50'000'000) ::usleep(1'000);
  }
  EXPECT_GE(meter.processor_time_ns(::getpid(), true), with_child);
}

}  // namespace
}  // namespace selvage

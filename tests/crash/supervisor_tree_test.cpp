// What workers leave behind: children, orphans, daemons. Gone when the lane goes on, and other workers' are left alone.

#include "supervisor/child_list.hpp"
#include "tests/crash/supervisor_rig.hpp"

namespace selvage::test {
namespace {

enum behaviour : std::uint16_t { child, double_fork, daemon_with_setsid, ten_generations, dead_child, die };

/// As long as a test may take: nobody is left for ever where the test has failed.
[[noreturn]] void stay() {
  ::signal(SIGALRM, SIG_DFL);
  ::alarm(60);
  for (;;) ::pause();
}

/// Forks a process that stays, unless killed, and notes its pid.
void leave_behind(const notes& book, int generations, bool own_session) {
  static std::size_t index = 0;  // of this worker
  if (::fork() != 0) return;
  for (int i = 1; i < generations; ++i) {
    if (::fork() != 0) ::_exit(0);
  }
  if (own_session) ::setsid();
  ::signal(SIGTERM, SIG_IGN);
  ::signal(SIGHUP, SIG_IGN);
  book[index + 1] = static_cast<std::uint64_t>(::getpid());
  ++book[0];
  stay();
}

void behave(scripted_worker& self, const notes& book) {
  self.open();
  self.serve([&](unsigned slot) {
    switch (self.lane.request(slot).task) {
      case child:
        leave_behind(book, 1, false);
        return;
      case double_fork:
        leave_behind(book, 2, false);
        return;
      case daemon_with_setsid:
        leave_behind(book, 2, true);
        return;
      case ten_generations:
        for (int i = 0; i < 10; ++i) {
          if (::fork() == 0) {
            ++book[0];
            if (i == 9) stay();
            continue;
          }
          if (i == 0) return;
          stay();
        }
        return;
      case dead_child:
        if (::fork() == 0 && ::fork() != 0) ::_exit(0);
        if (::getpid() != ::getsid(0)) ::_exit(0);  // the grandchild
        return;
      default:
        ::raise(SIGKILL);
    }
  });
}

bool alive(std::uint64_t pid) { return ::kill(static_cast<int>(pid), 0) == 0; }

std::size_t children_of(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children");
  std::size_t count = 0;
  for (int each = 0; file >> each;) ++count;
  return count;
}

TEST(supervisor_tree, descendants_of_a_dead_worker_are_gone_before_its_lane_is_closed) {
  for (const behaviour how : {child, double_fork, daemon_with_setsid}) {
    const notes book;
    supervisor_rig rig({}, [&](scripted_worker& self) { behave(self, book); });
    rig.open(0);
    ASSERT_TRUE(rig.await_done(0, rig.post(0, {.task = how})));
    ASSERT_TRUE(eventually([&] { return book[0].load() == 1; }));
    ASSERT_TRUE(alive(book[1].load()));
    rig.post(0, {.task = die});
    rig.await_death(0);
    EXPECT_FALSE(alive(book[1].load())) << how;
  }
}

TEST(supervisor_tree, a_chain_of_ten_generations_is_gone_with_its_worker) {
  const notes book;
  supervisor_rig rig({}, [&](scripted_worker& self) { behave(self, book); });
  rig.open(0);
  ASSERT_TRUE(rig.await_done(0, rig.post(0, {.task = ten_generations})));
  ASSERT_TRUE(eventually([&] { return book[0].load() == 10; }));
  const int session = rig.worker_pid(0);
  rig.post(0, {.task = die});
  rig.await_death(0);
  EXPECT_EQ(::kill(-session, 0), -1) << "nobody of its process group is left";
  EXPECT_EQ(errno, ESRCH);
}

TEST(supervisor_tree, an_orphan_of_a_living_worker_survives_the_death_of_another_worker) {
  const notes book;
  supervisor_rig rig({.lanes = 2}, [&](scripted_worker& self) { behave(self, book); });
  rig.open(0);
  rig.open(1);
  ASSERT_TRUE(rig.await_done(1, rig.post(1, {.task = double_fork})));
  ASSERT_TRUE(eventually([&] { return book[0].load() == 1; }));
  rig.post(0, {.task = die});
  rig.await_death(0);
  EXPECT_TRUE(alive(book[1].load()));
  rig.post(1, {.task = die});
  rig.await_death(1);
  EXPECT_FALSE(alive(book[1].load()));
}

TEST(supervisor_tree, descendants_are_gone_after_a_deadline_and_after_a_retirement_too) {
  const notes book;
  supervisor_rig rig({}, [&](scripted_worker& self) {
    self.open();
    self.serve([&](unsigned slot) {
      leave_behind(book, 2, true);
      while (self.lane.request(slot).task == 1) shm::spin_pause();
    });
  });
  rig.open(0);
  rig.post(0, {.limit = 1s, .task = 1});  // time enough to leave something behind on a busy machine
  EXPECT_EQ(reason(rig.await_death(0)), shm::verdict_reason::timed_out);
  EXPECT_EQ(book[0].load(), 1U);
  EXPECT_FALSE(alive(book[1].load()));

  rig.open(0);
  ASSERT_TRUE(rig.await_done(0, rig.post(0, {.task = 0})));
  ASSERT_TRUE(eventually([&] { return book[0].load() == 2; }));
  rig.retire(0);
  EXPECT_EQ(reason(rig.await_death(0)), shm::verdict_reason::recycled);
  EXPECT_FALSE(alive(book[1].load()));
}

TEST(supervisor_tree, strays_that_die_by_themselves_are_reaped_while_their_worker_lives) {
  const notes book;
  supervisor_rig rig({}, [&](scripted_worker& self) { behave(self, book); });
  rig.open(0);
  for (int i = 0; i < 50; ++i) {
    const unsigned slot = rig.post(0, {.task = dead_child});
    ASSERT_TRUE(rig.await_done(0, slot));
    rig.take(0, slot);
  }
  EXPECT_TRUE(eventually([&] { return children_of(rig.pid()) == 1; }));
}

/// Tells a fork bomb to end when the test does, however that is.
class bomb_disposal {
 public:
  explicit bomb_disposal(const notes& book) : book_(book) {}
  bomb_disposal(const bomb_disposal&) = delete;
  bomb_disposal& operator=(const bomb_disposal&) = delete;
  ~bomb_disposal() { book_[1] = 1; }

 private:
  const notes& book_;
};

TEST(supervisor_tree, a_small_fork_bomb_is_gone_with_its_worker) {
  constexpr std::uint64_t last_generation = 5000;  // it ends by itself where the test was killed
  const notes book;
  const bomb_disposal disposal(book);
  supervisor_rig rig({}, [&](scripted_worker& self) {
    self.open();
    self.serve([&](unsigned) {
      if (::fork() != 0) return;
      ::setsid();
      // Each parent dies as soon as it has a child: a moving target, in a session of its own.
      for (; book[1].load() == 0 && book[0].load() < last_generation; ++book[0]) {
        if (::fork() > 0) ::_exit(0);
      }
      ::_exit(0);
    });
  });
  rig.open(0);
  rig.post(0, {});
  ASSERT_TRUE(eventually([&] { return book[0].load() > 20; }));
  ::kill(rig.worker_pid(0), SIGKILL);
  rig.await_death(0);
  ::usleep(5000);
  const std::uint64_t count = book[0].load();
  ::usleep(20'000);
  EXPECT_EQ(book[0].load(), count) << "it is still running";
  EXPECT_LT(count, last_generation);
}

TEST(supervisor_tree, both_ways_to_list_children_agree_with_what_was_forked) {
  for (const int count : {0, 1, 1500}) {  // 1500: more than one read holds
    std::vector<int> forked, listed, found;
    const supervisor::child_list children;
    children.list(listed);
    ASSERT_TRUE(listed.empty());
    for (int i = 0; i < count; ++i) {
      forked.push_back(::fork());
      if (forked.back() == 0) {
        ::prctl(PR_SET_NAME, i % 2 == 0 ? "a) R 1 (b" : "plain");  // a name that looks like the fields behind it
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (i % 3 == 0) ::_exit(0);  // dead and not reaped
        for (;;) ::pause();
      }
      ASSERT_GT(forked.back(), 0);
    }
    children.list(listed);
    supervisor::find_children_in_proc(found);
    for (const int pid : forked) {
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
    }
    for (std::vector<int>* each : {&forked, &listed, &found}) std::sort(each->begin(), each->end());
    EXPECT_EQ(listed, forked);
    EXPECT_EQ(found, forked);
  }
}

TEST(supervisor_tree, standard_error_that_a_descendant_holds_open_does_not_delay_the_verdict) {
  const notes book;
  supervisor_rig rig({}, [&](scripted_worker& self) { behave(self, book); });
  rig.open(0);
  ASSERT_TRUE(rig.await_done(0, rig.post(0, {.task = daemon_with_setsid})));
  rig.post(0, {.task = die});
  EXPECT_EQ(rig.await_death(0).signal, SIGKILL);
}

}  // namespace
}  // namespace selvage::test

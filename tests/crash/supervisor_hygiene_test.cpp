// The supervisor among the other processes: what it keeps of its host, what happens when either of them is killed, and
// what it does when it cannot fork.

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sys/resource.h>

#include <cstddef>
#include <filesystem>

#include "tests/crash/supervisor_rig.hpp"
#include "tests/support/child.hpp"

namespace selvage::test {
namespace {

void behave(scripted_worker& self) {
  self.open();
  self.serve([&](unsigned slot) {
    for (; self.lane.request(slot).task == 1;) ::usleep(1000);
  });
}

std::string status_line(int pid, const std::string& name) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(name + ":", 0) == 0) return line.substr(line.find_first_not_of(" \t", name.size() + 1));
  }
  return {};
}

std::uint64_t mask(int pid, const std::string& name) { return std::stoull(status_line(pid, name), nullptr, 16); }
constexpr std::uint64_t bit_of(int signal) { return std::uint64_t{1} << (signal - 1); }

// ---- hygiene

TEST(supervisor_hygiene, it_leads_a_session_of_its_own_and_is_named_for_what_it_is) {
  supervisor_rig rig({}, behave);
  rig.open(0);
  EXPECT_EQ(::getsid(rig.pid()), rig.pid());
  EXPECT_EQ(status_line(rig.pid(), "Name"), "selvage-super");
}

TEST(supervisor_hygiene, neither_it_nor_a_newborn_worker_dumps_core_or_can_be_looked_into) {
  const notes seen;
  supervisor_rig rig({}, [&](scripted_worker& self) {
    rlimit core{1, 1};
    ::getrlimit(RLIMIT_CORE, &core);
    seen[0] = core.rlim_max + 1;
    seen[1] = static_cast<std::uint64_t>(::prctl(PR_GET_DUMPABLE)) + 1;
    behave(self);
  });
  rig.open(0);
  EXPECT_EQ(seen[0].load(), 1U);
  EXPECT_EQ(seen[1].load(), 1U);
}

TEST(supervisor_hygiene, signals_that_the_host_ignores_or_blocks_are_as_in_a_fresh_process) {
  struct sigaction ignored = {}, before = {};
  ignored.sa_handler = SIG_IGN;
  ::sigaction(SIGCHLD, &ignored, &before);
  ::signal(SIGTERM, SIG_IGN);
  ::signal(SIGHUP, [](int) {});
  sigset_t blocked, old;
  ::sigemptyset(&blocked);
  for (const int signal : {SIGUSR1, SIGCHLD, SIGINT}) ::sigaddset(&blocked, signal);
  ::sigprocmask(SIG_SETMASK, &blocked, &old);
  {
    supervisor_rig rig({}, behave);
    rig.open(0);
    const std::uint64_t expected = bit_of(SIGCHLD), pipe = bit_of(SIGPIPE);
    EXPECT_EQ(mask(rig.pid(), "SigBlk"), expected);
    EXPECT_EQ(mask(rig.pid(), "SigIgn"), pipe);
    // The C library catches two signals of its own as soon as the host has a thread.
    const std::uint64_t others = ~(bit_of(32) | bit_of(33));
    EXPECT_EQ(mask(rig.pid(), "SigCgt") & others, 0U);
    const int worker = rig.worker_pid(0);
    EXPECT_EQ(mask(worker, "SigBlk"), 0U);
    EXPECT_EQ(mask(worker, "SigIgn"), 0U);
    EXPECT_EQ(mask(worker, "SigCgt") & others, 0U);
    ::kill(worker, SIGKILL);  // seen although the host ignores SIGCHLD
    EXPECT_EQ(rig.await_death(0).signal, SIGKILL);
  }
  ::sigprocmask(SIG_SETMASK, &old, nullptr);
  ::sigaction(SIGCHLD, &before, nullptr);
  ::signal(SIGTERM, SIG_DFL);
  ::signal(SIGHUP, SIG_DFL);
}

TEST(supervisor_hygiene, it_keeps_no_descriptor_of_the_host_but_those_it_was_told_to) {
  const base::unique_fd secret(::memfd_create("secret", 0)), wanted(::memfd_create("wanted", 0));
  supervisor_rig rig({.keep = {wanted.get()}}, behave);
  rig.open(0);
  if (!rig.may_look_inside()) GTEST_SKIP() << "needs root to look into the supervisor";
  std::string targets;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/" + std::to_string(rig.pid()) + "/fd")) {
    targets += std::filesystem::read_symlink(entry.path()).string() + "\n";
  }
  EXPECT_EQ(targets.find("secret"), std::string::npos) << targets;
  EXPECT_NE(targets.find("wanted"), std::string::npos) << targets;
  EXPECT_EQ(std::filesystem::read_symlink("/proc/" + std::to_string(rig.pid()) + "/fd/0"), "/dev/null");
}

TEST(supervisor_hygiene, a_host_without_standard_descriptors_gets_a_working_supervisor) {
  supervisor_rig rig({.before_run =
                          [] {
                            for (int fd : {0, 1, 2}) ::close(fd);
                          }},
                     behave);
  rig.open(0);
  EXPECT_TRUE(rig.await_done(0, rig.post(0, {})));
  if (!rig.may_look_inside()) GTEST_SKIP() << "needs root to look into the supervisor";
  for (int fd : {0, 1, 2}) {
    EXPECT_EQ(std::filesystem::read_symlink("/proc/" + std::to_string(rig.pid()) + "/fd/" + std::to_string(fd)),
              "/dev/null");
  }
}

TEST(supervisor_hygiene, only_its_own_pages_are_mapped_writable) {
  supervisor_rig rig({.lanes = 2}, behave);
  rig.open(0);
  if (!rig.may_look_inside()) GTEST_SKIP() << "needs root to look into the supervisor";
  std::ifstream maps("/proc/" + std::to_string(rig.pid()) + "/maps");
  int writable = 0, read_only = 0;
  for (std::string line; std::getline(maps, line);) {
    if (line.find("/dev/shm/selvage-") == std::string::npos) continue;
    const std::size_t dash = line.find('-'), space = line.find(' ');
    const auto bytes =
        std::stoull(line.substr(dash + 1, space - dash - 1), nullptr, 16) - std::stoull(line, nullptr, 16);
    if (line[space + 2] != 'w') {
      ++read_only;
      continue;
    }
    ++writable;
    EXPECT_EQ(bytes, shm::page_bytes + 2 * sizeof(shm::supervisor_lane));
  }
  EXPECT_EQ(writable, 1);
  EXPECT_EQ(read_only, 1);
}

TEST(supervisor_hygiene, a_segment_of_another_geometry_is_refused) {
  supervisor_rig rig({.before_run = [] {}}, behave);  // the right one, for comparison
  rig.open(0);
  const shm::geometry right{
      .lanes = 1, .request_arena_bytes = shm::page_bytes, .response_arena_bytes = shm::page_bytes};
  const shm::geometry wrong{
      .lanes = 2, .request_arena_bytes = shm::page_bytes, .response_arena_bytes = shm::page_bytes};
  tests::child refusing([&]() -> int {
    ::close(STDERR_FILENO);
    supervisor::run({.shape = wrong,
                     .segment = shm::create_segment(right),
                     .bell = base::make_eventfd(),
                     .host_pidfd = base::pidfd_open(::getppid()),
                     .enter_worker = [](const supervisor::worker_birth&) {}});
  });
  EXPECT_EQ(refusing.exit_status(), 70);
}

// ---- death of the supervisor

TEST(supervisor_hygiene, when_it_is_killed_its_death_notice_is_marked_a_waiter_is_woken_and_the_workers_are_gone) {
  for (const int signal : {SIGKILL, SIGTERM, SIGSEGV}) {
    supervisor_rig rig({.lanes = 2}, behave);
    rig.open(0);
    rig.open(1);
    const std::uint32_t life = rig.control().life.load();
    EXPECT_EQ(life, static_cast<std::uint32_t>(rig.pid()) | FUTEX_WAITERS);
    tests::child killer([&] {
      ::usleep(20'000);  // most likely the test sleeps by then; right either way
      return ::kill(rig.pid(), signal);
    });
    const std::uint64_t limit = base::now_ns() + 20'000'000'000U;
    while (rig.control().life.load() == life && base::now_ns() < limit) shm::wait_on(rig.control().life, life, limit);
    EXPECT_LT(base::now_ns(), limit) << "nobody woke it";
    EXPECT_NE(rig.control().life.load() & FUTEX_OWNER_DIED, 0U);
    EXPECT_EQ(killer.exit_status(), 0);
    // We are the subreaper above: what is left shows up here.
    EXPECT_TRUE(eventually([&] {
      while (::waitpid(-1, nullptr, WNOHANG) > 0) {
      }
      return rig.leftovers().empty();
    }));
  }
}

TEST(supervisor_hygiene, an_orderly_end_marks_the_death_notice_as_well) {
  supervisor_rig rig({}, behave);
  rig.open(0);
  EXPECT_EQ(rig.shut_down(shm::shutdown_order::retire), 0);
  EXPECT_NE(rig.control().life.load() & FUTEX_OWNER_DIED, 0U);
}

// ---- death of the host

TEST(supervisor_hygiene, when_the_host_is_killed_supervisor_workers_and_their_descendants_are_gone) {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  const auto before = own_children();
  const notes book;
  tests::child host([&]() -> int {
    supervisor_rig rig({.lanes = 2}, [&](scripted_worker& self) {
      self.open();
      self.serve([&](unsigned) {
        if (::fork() == 0 && ::fork() == 0) {
          ::setsid();
          ::alarm(60);  // where the test has failed
          ++book[0];
          for (;;) ::pause();
        }
        for (;;) ::usleep(1000);
      });
    });
    ::prctl(PR_SET_CHILD_SUBREAPER, 0);
    rig.open(0);
    rig.open(1);
    rig.post(0, {});
    rig.post(1, {});
    book[1] = static_cast<std::uint64_t>(rig.pid());
    for (;;) ::pause();
  });
  ASSERT_TRUE(eventually([&] { return book[0].load() == 2 && book[1].load() != 0; }));
  ::kill(host.pid(), SIGKILL);
  EXPECT_EQ(host.exit_status(), 1000 + SIGKILL);
  EXPECT_TRUE(eventually([&] {
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    return own_children() == before;
  }));
  EXPECT_EQ(::kill(static_cast<int>(book[1].load()), 0), -1);
  for (const int pid : own_children()) {
    if (std::find(before.begin(), before.end(), pid) == before.end()) ::kill(pid, SIGKILL);
  }
}

TEST(supervisor_hygiene, a_host_that_died_before_the_supervisor_began_is_noticed) {
  tests::child host([] { return 0; });
  const base::unique_fd pidfd = base::pidfd_open(host.pid());
  ASSERT_EQ(host.exit_status(), 0);
  const shm::geometry shape{
      .lanes = 2, .request_arena_bytes = shm::page_bytes, .response_arena_bytes = shm::page_bytes};
  tests::child orphan([&]() -> int {
    supervisor::run({.shape = shape,
                     .segment = shm::create_segment(shape),
                     .bell = base::make_eventfd(),
                     .host_pidfd = base::unique_fd(::dup(pidfd.get())),
                     .enter_worker = [](const supervisor::worker_birth&) { ::pause(); }});
  });
  EXPECT_EQ(orphan.exit_status(), 0);
}

// ---- no more processes, no more descriptors

/// From here on clone and fork fail with EAGAIN in this process.
void refuse_fork() {
  const sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAGAIN),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{.len = 5, .filter = const_cast<sock_filter*>(program)};
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
}

TEST(supervisor_hygiene, a_fork_that_fails_is_retried_within_the_budget_and_told_with_its_errno) {
  supervisor_rig rig({.restart = {.budget = 3, .backoff_first = 1ms, .backoff_limit = 2ms}, .before_run = refuse_fork},
                     behave);
  ASSERT_TRUE(eventually([&] { return rig.state(0) == shm::lane_state::failed; }));
  const shm::verdict said = rig.start_failure(0);
  EXPECT_EQ(said.error, static_cast<std::uint32_t>(EAGAIN));
  EXPECT_EQ(said.epoch, 4U);
  EXPECT_EQ(said.pid, 0);
  EXPECT_EQ(rig.page(0).words.closed.load(), 4U);
  EXPECT_EQ(rig.shut_down(shm::shutdown_order::retire), 0);
}

TEST(supervisor_hygiene, running_out_of_descriptors_fails_the_lanes_that_lack_them_and_no_other) {
  supervisor_rig rig({.lanes = 8,
                      .restart = {.budget = 1, .backoff_first = 1ms, .backoff_limit = 2ms},
                      .before_run =
                          [] {
                            // Numbers 3 to 13: four that it is given, four of its own, three a lane.
                            const rlimit few{14, 14};
                            ::setrlimit(RLIMIT_NOFILE, &few);
                          }},
                     behave);
  ASSERT_TRUE(eventually([&] { return rig.state(7) == shm::lane_state::failed; }));
  EXPECT_EQ(rig.start_failure(7).error, static_cast<std::uint32_t>(EMFILE));
  rig.open(0);
  EXPECT_TRUE(rig.await_done(0, rig.post(0, {})));
  EXPECT_EQ(rig.shut_down(shm::shutdown_order::now), 0);
  EXPECT_TRUE(rig.leftovers().empty());
}

}  // namespace
}  // namespace selvage::test

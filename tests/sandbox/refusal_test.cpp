// FAILURES rows 18 to 22: what a strict worker asks for and does not get, and how its caller is told.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <thread>

#include "base/kernel.hpp"
#include "tests/support/manners_of_death.hpp"
#include "tests/support/pool_fixture.hpp"
#include "tests/support/shared_words.hpp"
#include "tests/victims/forbidden.hpp"
#include "tests/victims/victims.hpp"

namespace selvage::test {
namespace {

using ::testing::HasSubstr;

struct attempt {
  const char* name;
  int (*victim)();
  int error;
};

class strict_worker : public pool_survives, public ::testing::WithParamInterface<start> {
 protected:
  [[nodiscard]] pool_options sealed(pool_options options = {}) {
    options.workers = options.workers == 0 ? 1 : options.workers;
    options.start = GetParam();
    if (options.permissions.granted().from == permissions::foundation::by_start)
      options.permissions = permissions::strict();
    return watched(std::move(options));
  }
  void expect_errors(std::initializer_list<attempt> attempts) {
    for (const attempt& each : attempts) {
      const auto reach = task("reach", each.victim);
      pool pool(sealed(), reach);
      EXPECT_EQ(pool.call(reach).get(), each.error) << each.name;
    }
  }
  [[nodiscard]] static std::uint64_t refusals_of(pool& pool) {
    std::uint64_t all = 0;
    for (const lane_stats& lane : pool.stats().lanes) all += lane.refusals;
    return all;
  }
};

INSTANTIATE_TEST_SUITE_P(by, strict_worker, ::testing::Values(start::fork, start::spawn),
                         [](const auto& info) { return info.param == start::fork ? "fork" : "spawn"; });

// ---- each is refused, the task goes on, and the pool is as before ------------------------------------------------

constexpr attempt refused_attempts[] = {
    {"open_a_file", &victims::open_a_file, EACCES},
    {"create_a_file", &victims::create_a_file, EACCES},
    {"list_a_folder", &victims::list_a_folder, EACCES},
    {"look_at_its_own_memory", &victims::look_at_its_own_memory, EACCES},
    {"look_at_its_parents_memory", &victims::look_at_its_parents_memory, EACCES},
    {"read_a_link", &victims::read_a_link, EACCES},
    {"look_a_name_up", &victims::look_a_name_up, EACCES},
    {"change_a_mode", &victims::change_a_mode, EPERM},
    {"open_a_pair_of_sockets", &victims::open_a_pair_of_sockets, EPERM},
    {"open_a_fast_socket", &victims::open_a_fast_socket, EACCES},
    {"run_a_program", &victims::run_a_program, EACCES},
    {"fork_a_child", &victims::fork_a_child, EACCES},
    {"vfork_a_child", &victims::vfork_a_child, EACCES},
    {"clone_a_child", &victims::clone_a_child, EACCES},
    {"share_memory_by_system_v", &victims::share_memory_by_system_v, EPERM},
    {"make_a_semaphore", &victims::make_a_semaphore, EPERM},
    {"make_a_message_queue", &victims::make_a_message_queue, EPERM},
    {"open_a_posix_queue", &victims::open_a_posix_queue, EPERM},
    {"make_a_memory_file", &victims::make_a_memory_file, EPERM},
    {"type_into_its_terminal", &victims::type_into_its_terminal, EPERM},
    {"install_a_filter", &victims::install_a_filter, EPERM},
    {"become_somebody_else", &victims::become_somebody_else, EPERM},
    {"become_dumpable", &victims::become_dumpable, EPERM},
    {"outlive_its_supervisor", &victims::outlive_its_supervisor, EPERM},
    {"make_code_of_data", &victims::make_code_of_data, EPERM},
    {"map_writable_code", &victims::map_writable_code, EPERM},
    {"take_the_signal_of_refusals", &victims::take_the_signal_of_refusals, EPERM},
    {"ignore_the_signal_of_refusals", &victims::ignore_the_signal_of_refusals, EPERM},
    {"watch_a_file", &victims::watch_a_file, EPERM},
};

TEST_P(strict_worker, is_refused_what_it_was_not_granted_and_goes_on) {
  for (const attempt& each : refused_attempts) {
    const auto reach = task("reach", each.victim);
    pool pool(sealed(), add, reach);
    for (int round = 1; round <= 2; ++round) {
      EXPECT_EQ(pool.call(reach).get(), each.error) << each.name;
      EXPECT_EQ(refusals_of(pool), static_cast<std::uint64_t>(round)) << each.name;
    }
    expect_usable(pool);
  }
}

// Allowed by the filter, and refused to one who has no capability: also where the host is root.
TEST_P(strict_worker, has_no_privilege_of_root) {
  expect_errors({{"take_real_time", &victims::take_real_time, EPERM},
                 {"be_nicer_than_it_was_made", &victims::be_nicer_than_it_was_made, EACCES}});
}

TEST_P(strict_worker, sees_no_call_where_older_kernels_have_none) {
  expect_errors({{"clone_a_child_anew", &victims::clone_a_child_anew, ENOSYS},
                 {"set_up_a_ring", &victims::set_up_a_ring, ENOSYS}});
}

// FAILURES row 20
TEST_P(strict_worker, has_no_socket_of_any_family) {
  const auto reach = task("reach", &victims::open_a_socket);
  pool pool(sealed(), reach);
  constexpr int mptcp = 262;
  for (int family = 0; family < 47; ++family) {
    for (const int type : {SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET})
      EXPECT_EQ(pool.call(reach, family, type, 0).get(), EACCES) << family << " " << type;
  }
  EXPECT_EQ(pool.call(reach, AF_INET, SOCK_STREAM, mptcp).get(), EACCES);
}

// Which of its workers a pool gives a call is not known before: each attempt is told of two, and makes for the one that
// it is not itself.
template <int (*attempt)(pid_t)>
int at_another(int one, int other) {
  return attempt(one == ::getpid() ? other : one);
}

// FAILURES row 22
TEST_P(strict_worker, reaches_no_other_process) {
  const auto parent = task(
      "parent", +[] { return static_cast<int>(::getppid()); });
  const auto signal = task("signal", &at_another<&victims::signal_process>);
  const auto limit = task("limit", &at_another<&victims::limit_process>);
  const auto renice = task("renice", &at_another<&victims::renice_process>);
  const auto pin = task("pin", &at_another<&victims::pin_process>);
  const auto own = task("own", &at_another<&victims::own_a_descriptor_for>);
  pool pool(sealed({.workers = 2}), parent, signal, limit, renice, pin, own, add);
  const int supervisor = pool.call(parent).get();
  const std::vector<lane_stats> lanes = pool.stats().lanes;
  ASSERT_EQ(lanes.size(), 2U);
  const std::pair siblings(static_cast<int>(lanes[0].worker_pid), static_cast<int>(lanes[1].worker_pid));
  const int host = ::getpid();
  for (const auto& [one, other] :
       {siblings, std::pair(host, host), std::pair(supervisor, supervisor), std::pair(1, 1), std::pair(-1, -1)}) {
    EXPECT_EQ(pool.call(signal, one, other).get(), EPERM) << one;
    EXPECT_EQ(pool.call(limit, one, other).get(), EPERM) << one;
    EXPECT_EQ(pool.call(renice, one, other).get(), EPERM) << one;
    EXPECT_EQ(pool.call(pin, one, other).get(), EPERM) << one;
    EXPECT_EQ(pool.call(own, one, other).get(), EPERM) << one;
  }
  expect_usable(pool);
}

// FAILURES row 18: it is told where the host has mapped every lane, and who its sibling is.
TEST_P(strict_worker, that_knows_all_addresses_reaches_no_other_lane) {
  const auto keep = task(
      "keep", +[](std::string_view secret, int ms) {
        ::usleep(static_cast<unsigned>(ms) * 1000);
        return std::string(secret);  // where it stands in the lane, after the attacks
      });
  const auto attack = task(
      "attack", +[](std::uint64_t address) { std::memset(reinterpret_cast<void*>(address), 'x', 16); });
  const auto look = task(
      "look", +[](int sibling) {
        const std::string path = "/proc/" + std::to_string(sibling);
        int refused = 0;
        for (const char* const file : {"/mem", "/maps", "/environ", "/fd/0", "/root", "/cwd"})
          refused += ::open((path + file).c_str(), O_RDONLY | O_CLOEXEC) == -1 && errno == EACCES ? 1 : 0;
        return refused;
      });
  pool pool(sealed({.workers = 2, .restart = {.budget = 1000}}), keep, attack, look, add);
  const std::string secret(20'000, 's');
  auto kept = pool.call(keep, secret, 1500);
  std::vector<std::uint64_t> addresses;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find("/dev/shm/selvage-") == line.npos) continue;
    const std::uint64_t begin = std::strtoull(line.c_str(), nullptr, 16);
    for (const std::uint64_t offset : {0U, 4096U, 8192U, 16'384U}) addresses.push_back(begin + offset);
  }
  ASSERT_FALSE(addresses.empty());
  EXPECT_EQ(pool.call(look, all_worker_pids(pool).at(0)).get(), 6);
  // The kernel may have put something of the attacker's own where the host has a lane: that is its own to spoil.
  std::size_t crashed = 0;
  for (const std::uint64_t address : addresses) {
    const auto outcome = pool.call(attack, address).result();
    crashed += code_of(outcome) == errc::crashed && outcome.error().details().signal == SIGSEGV ? 1 : 0;
  }
  EXPECT_GT(crashed, addresses.size() / 2);
  EXPECT_EQ(kept.get(), secret);
  expect_usable(pool);
}

// ---- what no honest task does ends the call ------------------------------------------------------------------------

constexpr attempt forbidden_attempts[] = {
    {"ptrace", &victims::attach_to_its_parent, 0},
    {"process_vm_readv", &victims::read_its_parents_memory, 0},
    {"process_vm_writev", &victims::write_its_parents_memory, 0},
    {"bpf", &victims::load_a_bpf_program, 0},
    {"perf_event_open", &victims::watch_performance, 0},
    {"userfaultfd", &victims::handle_its_own_page_faults, 0},
    {"mount", &victims::mount_something, 0},
    {"setns", &victims::enter_a_namespace, 0},
    {"unshare", &victims::leave_its_namespaces, 0},
    {"add_key", &victims::make_a_key, 0},
};

// FAILURES row 21
TEST_P(strict_worker, is_ended_for_what_no_honest_task_does) {
  for (const attempt& each : forbidden_attempts) {
    const auto reach = task("reach", each.victim);
    pool pool(sealed(), add, reach);
    const auto outcome = pool.call(reach).result();
    ASSERT_EQ(code_of(outcome), errc::permission_denied) << each.name;
    const failure& what = outcome.error().details();
    EXPECT_THAT(what.refused_call, ::testing::StartsWith(std::string(each.name) + "("));
    EXPECT_THAT(outcome.error().what(), HasSubstr(what.refused_call));
    EXPECT_EQ(what.signal, SIGSYS);
    EXPECT_FALSE(what.stack.empty());
    EXPECT_EQ(pool.stats().restarts.crashed, 1U);
    expect_usable(pool);
  }
}

TEST_P(strict_worker, under_kill_is_ended_for_everything_that_it_was_not_granted) {
  const auto reach = task("reach", &victims::open_a_file);
  pool pool(sealed({.on_violation = on_violation::kill}), add, reach);
  const auto outcome = pool.call(reach).result();
  ASSERT_EQ(code_of(outcome), errc::permission_denied);
  EXPECT_THAT(outcome.error().what(), HasSubstr("\"/etc/passwd\""));
  EXPECT_THAT(outcome.error().what(), HasSubstr("permissions.read"));
  EXPECT_THAT(outcome.error().report(), HasSubstr("was refused openat("));
  expect_usable(pool);
}

// It cannot be told by its handler: the kernel ends it. What it was refused before is not what it is ended for.
TEST_P(strict_worker, that_blocks_the_signal_of_refusals_is_ended_by_it) {
  const auto reach = task(
      "reach", +[] {
        (void)victims::open_a_file();
        sigset_t all;
        sigfillset(&all);
        ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
        return victims::open_a_file();
      });
  pool pool(sealed(), add, reach);
  const auto outcome = pool.call(reach).result();
  ASSERT_EQ(code_of(outcome), errc::permission_denied);
  EXPECT_THAT(outcome.error().what(), HasSubstr("SIGSYS"));
  EXPECT_EQ(outcome.error().details().refused_call, "");
  expect_usable(pool);
}

#if defined(__x86_64__)
// FAILURES row 21. Where the kernel has no 32-bit calls the instruction itself is a fault.
TEST_P(strict_worker, has_no_calls_of_another_architecture) {
  const auto x32 = task(
      "x32", +[]() -> int { return static_cast<int>(::syscall(0x40000000 | SYS_getpid)); });
  pool pool(sealed(), add, x32);
  EXPECT_EQ(code_of(pool.call(x32).result()), errc::permission_denied);
  expect_usable(pool);
}
#endif

TEST_P(strict_worker, that_throws_names_what_it_had_been_refused) {
  const auto reach = task(
      "reach", +[]() -> int {
        if (victims::open_a_file() != 0) throw std::runtime_error("cannot read the users");
        return 0;
      });
  const auto innocent = task(
      "innocent", +[]() -> int { throw std::runtime_error("by its own doing"); });
  pool pool(sealed(), reach, innocent);
  const auto outcome = pool.call(reach).result();
  ASSERT_EQ(code_of(outcome), errc::task_failed);
  EXPECT_THAT(outcome.error().details().refused_call, HasSubstr("\"/etc/passwd\""));
  EXPECT_THAT(outcome.error().what(), HasSubstr("cannot read the users"));
  EXPECT_THAT(outcome.error().what(), HasSubstr("it had been refused openat("));
  const auto other = pool.call(innocent).result();
  EXPECT_EQ(other.error().details().refused_call, "");
  EXPECT_THAT(other.error().what(), ::testing::Not(HasSubstr("refused")));
}

// A path that leads nowhere readable is the task's to give, and the handler's to survive.
TEST_P(strict_worker, may_name_a_path_that_is_not_there_to_read) {
  const auto reach = task(
      "reach", +[](std::uint64_t address) { return ::syscall(SYS_openat, -100, address, 0) == -1 ? errno : 0; });
  pool pool(sealed(), add, reach);
  for (const std::uint64_t address : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{0xfff}, ~std::uint64_t{0},
                                      std::uint64_t{0xffff800000000000}, std::uint64_t{0x00007fffffffffff}}) {
    EXPECT_EQ(pool.call(reach, address).get(), EACCES) << address;
  }
  expect_usable(pool);
}

TEST_P(strict_worker, counts_the_refusals_of_each_worker_and_of_those_before_it) {
  const auto reach = task("reach", &victims::open_a_file);
  const auto die = task("die", &victims::kill_itself);
  pool pool(sealed(), add, reach, die);
  for (int i = 0; i < 3; ++i) (void)pool.call(reach).get();
  EXPECT_EQ(refusals_of(pool), 3U);
  EXPECT_EQ(code_of(pool.call(die).result()), errc::crashed);
  expect_usable(pool);
  EXPECT_EQ(refusals_of(pool), 3U);
  for (int i = 0; i < 2; ++i) (void)pool.call(reach).get();
  EXPECT_EQ(refusals_of(pool), 5U);
}

TEST_P(strict_worker, that_is_refused_by_many_threads_at_once_goes_on) {
  const auto reach = task(
      "reach", +[] {
        std::vector<std::thread> all;
        std::atomic<int> count{0};
        for (int t = 0; t < 4; ++t) {
          all.emplace_back([&] {
            for (int i = 0; i < 500; ++i) count += victims::open_a_file() == EACCES ? 1 : 0;
          });
        }
        for (auto& each : all) each.join();
        return count.load();
      });
  pool pool(sealed(), add, reach);
  EXPECT_EQ(pool.call(reach).get(), 2000);
  EXPECT_EQ(refusals_of(pool), 2000U);
  expect_usable(pool);
}

// ---- what needs no grant ------------------------------------------------------------------------------------------

TEST_P(strict_worker, dies_and_is_told_as_any_other) {
  expect_one_call_to_pay(manners_of_death, [this] { return sealed({.workers = 2}); });
}

TEST_P(strict_worker, has_threads_clocks_random_numbers_and_memory) {
  const auto work = task(
      "work", +[]() -> std::uint64_t {
        std::uint64_t sum = 0;
        std::vector<std::thread> all;
        std::vector<std::vector<char>> memory(8);
        for (auto& part : memory) {
          all.emplace_back([&part] {
            part.assign(std::size_t{4} << 20, 'x');
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
          });
        }
        for (auto& each : all) each.join();
        for (const auto& part : memory) sum += part.size();
        std::uint64_t random = 0;
        if (::syscall(SYS_getrandom, &random, sizeof random, 0) != sizeof random) return 0;
        if (std::chrono::system_clock::now().time_since_epoch().count() == 0) return 0;
        return sum;
      });
  pool pool(sealed(), work);
  EXPECT_EQ(pool.call(work).get(), std::uint64_t{32} << 20);
  EXPECT_EQ(refusals_of(pool), 0U);
}

TEST_P(strict_worker, has_no_environment_and_no_terminal) {
  ::setenv("SELVAGE_SECRET", "key", 1);
  const auto look = task(
      "look", +[](const std::string& name) {
        const char* const value = std::getenv(name.c_str());
        return std::string(value == nullptr ? "none" : value);
      });
  const auto variables = task(
      "variables", +[] {
        int count = 0;
        for (char** each = environ; each != nullptr && *each != nullptr; ++each) ++count;
        return count;
      });
  const auto output = task(
      "output", +[] {
        struct stat what = {};
        return ::fstat(STDOUT_FILENO, &what) == 0 && S_ISCHR(what.st_mode) && what.st_rdev == ::makedev(1, 3) ? 1 : 0;
      });
  {
    pool pool(sealed(), look, variables, output);
    EXPECT_EQ(pool.call(look, "SELVAGE_SECRET").get(), "none");
    EXPECT_EQ(pool.call(variables).get(), 0);
    EXPECT_EQ(pool.call(output).get(), 1);
  }
  pool pool(sealed({.permissions = permissions::strict().env("SELVAGE_SECRET").env("SELVAGE_ABSENT")}), look,
            variables);
  EXPECT_EQ(pool.call(look, "SELVAGE_SECRET").get(), "key");
  EXPECT_EQ(pool.call(variables).get(), 1);
  ::unsetenv("SELVAGE_SECRET");
}

void open_a_file_at_the_start() { (void)victims::open_a_file(); }

TEST_P(strict_worker, whose_initializer_is_ended_for_a_call_says_which) {
  try {
    const pool pool(
        sealed(
            {.on_violation = on_violation::kill, .restart = {.budget = 1}, .initializer = &open_a_file_at_the_start}),
        add);
    FAIL() << "the pool was built";
  } catch (const error& problem) {
    EXPECT_EQ(problem.code(), errc::worker_start_failed);
    EXPECT_THAT(problem.what(), ::testing::HasSubstr("system call that it may not make: openat"));
  }
}

TEST_P(strict_worker, says_what_is_in_force) {
  pool pool(sealed(), add);
  expect_usable(pool);
  for (const lane_stats& lane : pool.stats().lanes) {
    EXPECT_EQ(lane.landlock, base::landlock_version());
    EXPECT_EQ(lane.threads_counted, base::has_seccomp_listeners());
  }
}

}  // namespace
}  // namespace selvage::test

// The strict filter by its program alone: what it says to every number, and to the arguments that it looks at; and that
// docs/syscalls.md says the same.
#include "worker/sandbox/filter.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/support/bpf_interpreter.hpp"
#include "tests/support/random.hpp"
#include "worker/bpf.hpp"

namespace selvage::worker::sandbox {
namespace {

using arguments = std::array<std::uint64_t, 6>;

constexpr pid_t own = 4711;
constexpr std::uint32_t allow = SECCOMP_RET_ALLOW;
constexpr std::uint32_t trap = SECCOMP_RET_TRAP;
constexpr std::uint32_t no_such_call = SECCOMP_RET_ERRNO | ENOSYS;
constexpr filter_grants everything{
    .granted = grant::files | grant::network | grant::listen, .tcp = true, .udp = true, .jit = true};

class program {
 public:
  explicit program(const filter_grants& given = {}) : code_(filter_for(build_filter(given), own)) {}

  [[nodiscard]] std::uint32_t operator()(long number, const arguments& args = {},
                                         std::uint32_t architecture = bpf::native_architecture) const {
    seccomp_data call = {.nr = static_cast<int>(number), .arch = architecture, .instruction_pointer = 0, .args = {}};
    std::copy(args.begin(), args.end(), std::begin(call.args));
    return tests::interpret(code_, call);
  }
  [[nodiscard]] std::size_t size() const noexcept { return code_.size(); }

 private:
  std::vector<sock_filter> code_;
};

TEST(sandbox_filter, says_of_every_number_what_its_row_says) {
  const program strict;
  const program granted(everything);
  for (int number = 0; number < 1100; ++number) {
    const syscall_rule* const rule = rule_of(number);
    if (rule != nullptr && rule->then == outcome::inspected) continue;
    const std::string name = rule == nullptr ? std::to_string(number) : std::string(rule->name);
    std::uint32_t by_row = no_such_call;
    std::uint32_t by_row_if_granted = no_such_call;
    if (rule != nullptr && rule->then == outcome::allowed) by_row = by_row_if_granted = allow;
    if (rule != nullptr && rule->then == outcome::granted) {
      by_row = trap;
      by_row_if_granted = any_of(rule->needs, everything.granted) ? allow : trap;
    }
    if (rule != nullptr && (rule->then == outcome::refused || rule->then == outcome::forbidden))
      by_row = by_row_if_granted = trap;
    EXPECT_EQ(strict(number), by_row) << name;
    EXPECT_EQ(granted(number), by_row_if_granted) << name;
  }
}

// A program that was started has no handler: what is refused there is an errno.
TEST(sandbox_filter, tells_programs_what_they_are_refused_by_an_errno) {
  constexpr std::uint32_t refused = SECCOMP_RET_ERRNO | EPERM;
  const program running({.granted = grant::run});
  const program running_or_killed({.granted = grant::run, .then = on_violation::kill});
  for (int number = 0; number < 1100; ++number) {
    const syscall_rule* const rule = rule_of(number);
    if (rule == nullptr || rule->then == outcome::inspected) continue;
    const bool has = rule->then == outcome::allowed ||
                     (rule->then == outcome::granted && any_of(rule->needs, grant::run | grant::read));
    const bool is_absent = rule->then == outcome::absent;
    const std::uint32_t otherwise = rule->then == outcome::forbidden ? trap : refused;
    EXPECT_EQ(running(number), has ? allow : is_absent ? no_such_call : otherwise) << rule->name;
    EXPECT_EQ(running_or_killed(number), has ? allow : is_absent ? no_such_call : trap) << rule->name;
  }
  EXPECT_EQ(running(SYS_clone, {SIGCHLD}), allow);
  EXPECT_EQ(running(SYS_clone, {CLONE_VM | CLONE_VFORK | SIGCHLD}), allow);
  EXPECT_EQ(running(SYS_clone, {CLONE_VM | CLONE_SIGHAND | CLONE_THREAD}), allow);
  EXPECT_EQ(running(SYS_clone, {CLONE_VM | SIGCHLD}), refused) << "the lane would stay mapped when the worker is gone";
  EXPECT_EQ(running(SYS_clone, {CLONE_NEWUSER | SIGCHLD}), refused);
  EXPECT_EQ(running(SYS_kill, {own + 1}), allow) << "Landlock sees to it";
  for (const program* const each : {&running, &running_or_killed})
    EXPECT_EQ((*each)(SYS_rt_sigaction, {SIGSYS}), refused) << "a start of a program tries, with all signals blocked";
}

TEST(sandbox_filter, every_row_has_a_name_that_libseccomp_knows_and_stands_once) {
  std::vector<std::string_view> names;
  for (const syscall_rule& rule : syscall_rules()) {
    names.push_back(rule.name);
    EXPECT_NE(seccomp_syscall_resolve_name(std::string(rule.name).c_str()), __NR_SCMP_ERROR) << rule.name;
  }
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
  for (int number = 0; number < end_of_numbers(); ++number) {
    char* const name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);
    if (name == nullptr) continue;
    EXPECT_NE(rule_of(number), nullptr) << name << " has a number and no row";
    std::free(name);
  }
}

TEST(sandbox_filter, kills_what_is_not_of_this_architecture) {
  const program strict;
  constexpr std::uint32_t i386 = AUDIT_ARCH_I386;
  EXPECT_EQ(strict(1, {}, i386), SECCOMP_RET_KILL_PROCESS);
  EXPECT_EQ(strict(-1), allow) << "no call at all: the kernel says ENOSYS";
#if defined(__x86_64__)
  constexpr int x32_bit = 0x40000000;
  for (const int number : {0, 1, 59, 400, 500}) EXPECT_EQ(strict(x32_bit | number), SECCOMP_RET_KILL_PROCESS);
#endif
}

TEST(sandbox_filter, memory_is_never_writable_and_executable) {
  const program strict;
  for (int protection = 0; protection < 16; ++protection) {
    const auto bits = static_cast<std::uint64_t>(protection);
    const bool both = (protection & (PROT_WRITE | PROT_EXEC)) == (PROT_WRITE | PROT_EXEC);
    EXPECT_EQ(strict(SYS_mmap, {0, 4096, bits}), both ? trap : allow) << protection;
    for (const long call : {SYS_mprotect, SYS_pkey_mprotect})
      EXPECT_EQ(strict(call, {0, 4096, bits}), (protection & PROT_EXEC) != 0 ? trap : allow) << protection;
  }
  const program compiling({.jit = true});
  EXPECT_EQ(compiling(SYS_mmap, {0, 4096, PROT_WRITE | PROT_EXEC}), allow);
  EXPECT_EQ(compiling(SYS_mprotect, {0, 4096, PROT_WRITE | PROT_EXEC}), allow);
}

TEST(sandbox_filter, space_is_had_for_a_file_only_where_its_limit_looks) {
  const program strict;
  for (std::uint64_t mode = 0; mode < 128; ++mode) {
    const bool is_well = mode == 0 || mode == (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
    EXPECT_EQ(strict(SYS_fallocate, {3, mode, 0, 4096}), is_well ? allow : trap) << mode;
  }
}

TEST(sandbox_filter, threads_are_let_and_processes_and_namespaces_are_not) {
  const program strict;
  constexpr std::uint64_t thread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_SIGHAND | CLONE_THREAD |
                                   CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
  EXPECT_EQ(strict(SYS_clone, {thread}), allow);
  EXPECT_EQ(strict(SYS_clone, {SIGCHLD}), trap);
  EXPECT_EQ(strict(SYS_clone, {CLONE_VM | CLONE_VFORK | SIGCHLD}), trap);
  for (const std::uint64_t space :
       {CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP}) {
    EXPECT_EQ(strict(SYS_clone, {thread | space}), trap) << space;
  }
}

TEST(sandbox_filter, only_this_process_is_named) {
  const program strict;
  for (const long call : {SYS_prlimit64, SYS_sched_setaffinity, SYS_sched_setscheduler, SYS_sched_setparam,
                          SYS_sched_setattr, SYS_sched_getaffinity}) {
    EXPECT_EQ(strict(call, {0}), allow) << call;
    EXPECT_EQ(strict(call, {own}), allow) << call;
    for (const std::uint64_t other : {std::uint64_t{1}, std::uint64_t{own} + 1, ~std::uint64_t{0}})
      EXPECT_EQ(strict(call, {other}), trap) << call;
  }
  for (const long call : {SYS_kill, SYS_tgkill, SYS_tkill, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo}) {
    EXPECT_EQ(strict(call, {own, 9, 9}), allow) << call;
    for (const std::uint64_t other : {std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0}, std::uint64_t{own} - 1,
                                      static_cast<std::uint64_t>(-std::int64_t{own})}) {
      EXPECT_EQ(strict(call, {other, 9, 9}), trap) << call << " " << other;
    }
  }
  EXPECT_EQ(strict(SYS_setpriority, {0, 0, 5}), allow);
  EXPECT_EQ(strict(SYS_setpriority, {0, own, 5}), allow);
  EXPECT_EQ(strict(SYS_setpriority, {1, 0, 5}), trap) << "its process group";
  EXPECT_EQ(strict(SYS_setpriority, {2, 0, 5}), trap) << "all of its user";
  EXPECT_EQ(strict(SYS_ioprio_set, {1, own, 5}), allow);
  EXPECT_EQ(strict(SYS_ioprio_set, {3, 0, 5}), trap);
}

// The kernel reads an int: what stands above it must not change the verdict.
TEST(sandbox_filter, what_stands_above_an_int_changes_nothing) {
  const program strict;
  tests::random_source random;
  constexpr std::uint64_t above = 0xdeadbeef00000000;
  EXPECT_EQ(strict(SYS_rt_sigaction, {above | SIGSYS}), trap);
  EXPECT_EQ(strict(SYS_kill, {above | 1, 9}), trap);
  EXPECT_EQ(strict(SYS_kill, {above | own, 9}), allow);
  EXPECT_EQ(strict(SYS_prctl, {above | PR_SET_DUMPABLE, 1}), trap);
  EXPECT_EQ(strict(SYS_ioctl, {0, above | TIOCSTI}), trap);
  EXPECT_EQ(strict(SYS_fcntl, {0, above | F_SETOWN}), trap);
  for (const syscall_rule& rule : syscall_rules()) {
    const int number = seccomp_syscall_resolve_name(std::string(rule.name).c_str());
    // A flag word of clone and a pointer of sendto are whole registers.
    if (rule.then != outcome::inspected || number < 0 || number == SYS_clone || number == SYS_sendto) continue;
    for (int round = 0; round < 200; ++round) {
      arguments low{}, both{};
      for (std::size_t i = 0; i < low.size(); ++i) {
        low[i] = random.bits() & (round % 2 == 0 ? 0x1f : 0xffffffff);
        both[i] = low[i] | (random.bits() << 32U);
      }
      EXPECT_EQ(strict(number, low), strict(number, both)) << rule.name;
    }
  }
}

TEST(sandbox_filter, every_signal_may_be_handled_but_sigsys) {
  const program strict;
  for (std::uint64_t signal = 1; signal <= 64; ++signal)
    EXPECT_EQ(strict(SYS_rt_sigaction, {signal}), signal == SIGSYS ? trap : allow) << signal;
}

TEST(sandbox_filter, a_descriptors_status_needs_no_grant_and_a_names_does) {
  const program strict, granted(everything);
  EXPECT_EQ(strict(SYS_newfstatat, {3, 0, 0, AT_EMPTY_PATH}), allow);
  EXPECT_EQ(strict(SYS_newfstatat, {3, 0, 0, 0}), trap);
  EXPECT_EQ(strict(SYS_statx, {3, 0, AT_EMPTY_PATH}), allow);
  EXPECT_EQ(strict(SYS_statx, {3, 0, 0}), trap);
  EXPECT_EQ(granted(SYS_newfstatat, {3, 0, 0, 0}), allow);
}

TEST(sandbox_filter, sockets_are_those_that_were_granted) {
  constexpr std::uint64_t mptcp = 262;
  const program none, tcp({.granted = grant::network, .tcp = true}), udp({.granted = grant::network, .udp = true});
  for (std::uint64_t family = 0; family < 48; ++family) {
    for (std::uint64_t kind = 0; kind < 12; ++kind) {
      EXPECT_EQ(none(SYS_socket, {family, kind, 0}), trap) << family << " " << kind;
      const bool internet = family == AF_INET || family == AF_INET6;
      EXPECT_EQ(tcp(SYS_socket, {family, kind, 0}), internet && kind == SOCK_STREAM ? allow : trap);
      EXPECT_EQ(udp(SYS_socket, {family, kind, 0}), internet && kind == SOCK_DGRAM ? allow : trap);
    }
  }
  EXPECT_EQ(tcp(SYS_socket, {AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP}), allow);
  EXPECT_EQ(tcp(SYS_socket, {AF_INET, SOCK_STREAM, mptcp}), trap);
  EXPECT_EQ(tcp(SYS_socket, {AF_INET, SOCK_STREAM, IPPROTO_SCTP}), trap);
  for (const auto& [call, flags] :
       {std::pair{SYS_sendto, 3U}, std::pair{SYS_sendmsg, 2U}, std::pair{SYS_sendmmsg, 3U}}) {
    arguments fast{};
    fast[flags] = MSG_FASTOPEN;
    EXPECT_EQ(tcp(call, {}), allow);
    EXPECT_EQ(tcp(call, fast), trap);
    EXPECT_EQ(none(call, fast), trap);
  }
  const program listening({.granted = grant::network | grant::listen, .tcp = true});
  for (const long call : {SYS_listen, SYS_accept, SYS_accept4}) {
    EXPECT_EQ(tcp(call, {3}), trap);
    EXPECT_EQ(udp(call, {3}), trap);
    EXPECT_EQ(listening(call, {3}), allow);
  }
  EXPECT_EQ(none(SYS_sendto, {3, 0x1000, 5, 0, 0, 0}), allow) << "an inherited socket that is connected";
  EXPECT_EQ(none(SYS_sendto, {3, 0x1000, 5, 0, 0x2000, 16}), trap);
}

// The kernel keeps a bitmap of calls whose arguments no filter looks at; the rest pays for each instruction.
TEST(sandbox_filter, stays_within_the_size_that_the_kernel_takes) {
  EXPECT_LT(program().size(), 1000U);
  EXPECT_LT(program(everything).size(), 1000U);
}

// ---- docs/syscalls.md ----------------------------------------------------------------------------------------------

std::string verdict_text(const syscall_rule& rule) {
  const bool network = any_of(grant::network, rule.needs);
  const std::string grants = network                       ? "net"
                             : rule.needs == grant::listen ? "net(tcp_listen)"
                             : rule.needs == grant::run    ? "run"
                             : rule.needs == grant::files  ? "read or write"
                             : rule.needs == grant::write  ? "write"
                                                           : "";
  switch (rule.then) {
    case outcome::allowed:
      return "allowed";
    case outcome::granted:
      return "with " + grants + "; else EACCES";
    case outcome::inspected:
      return grants.empty() ? "by its arguments; else EPERM" : "by its arguments and with " + grants + "; else EACCES";
    case outcome::refused:
      return "EPERM";
    case outcome::forbidden:
      return "ends the call";
    case outcome::absent:
      return "ENOSYS";
  }
  return {};
}

std::string documented() {
  std::ostringstream text;
  text << "# System calls under strict permissions\n\n"
          "Made from `worker/sandbox/syscall_policy.cpp` by `unit.sandbox_filter`; a difference fails that test. "
          "Numbers\n"
          "are those of x86-64. What is not listed, newer calls among them, is ENOSYS; another architecture's calls "
          "and\n"
          "those of x32 kill the worker. The calls that are decided by their arguments are in `docs/permissions.md`.\n"
          "Under `on_violation::kill` every EPERM and EACCES of this table ends the call.\n\n"
          "| number | call | verdict |\n|---|---|---|\n";
  for (int number = 0; number < 1100; ++number) {
    char* const name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, number);
    if (name == nullptr) continue;
    const auto rules = syscall_rules();
    const auto rule = std::ranges::find(rules, std::string_view(name), &syscall_rule::name);
    text << "| " << number << " | " << name << " | " << (rule == rules.end() ? "ENOSYS" : verdict_text(*rule))
         << " |\n";
    std::free(name);
  }
  return text.str();
}

TEST(sandbox_filter, is_what_the_documentation_says) {
  std::ifstream file(SELVAGE_SOURCE_DIR "/docs/syscalls.md");
  std::ostringstream found;
  found << file.rdbuf();
  const std::string made = documented();
  if (found.str() == made) return;
  std::ofstream("syscalls.md") << made;
  ADD_FAILURE() << "docs/syscalls.md differs: what it should be is in "
                << std::filesystem::current_path() / "syscalls.md";
}

}  // namespace
}  // namespace selvage::worker::sandbox

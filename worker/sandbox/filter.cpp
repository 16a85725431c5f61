// The program of filter.hpp. libseccomp takes comparisons of 64 bits; the kernel looks at the low half of an int. So
// every int is compared under a mask: what a task puts above it must not change the answer.

#include "worker/sandbox/filter.hpp"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <initializer_list>
#include <memory>

#include "base/syscalls.hpp"
#include "base/unique_fd.hpp"

namespace selvage::worker::sandbox {
namespace {

// A process number that no process has: the kernel's stay below 2^22.
constexpr std::uint32_t own_pid = 0x5e1fa9ed;
constexpr std::uint64_t int_bits = 0xffffffff;
[[maybe_unused]] constexpr std::uint32_t x32_bit = 0x40000000;

// Newer than some headers.
constexpr std::uint64_t pr_get_auxv = 0x41555856, pr_set_vma = 0x53564d41;
constexpr std::uint64_t f_get_rw_hint = 1035, f_set_rw_hint = 1036;
constexpr std::uint64_t msg_fastopen = 0x20000000;
constexpr std::uint64_t ioprio_who_process = 1;  // <linux/ioprio.h> is no C++

// ---- comparisons ---------------------------------------------------------------------------------------------------

using condition = scmp_arg_cmp;

/// The bits of `mask` in argument `index` are `value`.
condition bits(unsigned index, std::uint64_t mask, std::uint64_t value) {
  return {.arg = index, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value};
}
condition is(unsigned index, std::uint64_t value) { return bits(index, int_bits, value & int_bits); }
condition is_null(unsigned index) { return {.arg = index, .op = SCMP_CMP_EQ, .datum_a = 0, .datum_b = 0}; }

class program_writer {
 public:
  explicit program_writer(std::uint32_t otherwise) : context_(seccomp_init(otherwise)) {
    if (!context_) base::throw_errno(ENOMEM, "seccomp_init");
    check(seccomp_attr_set(context_.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS), "SCMP_FLTATR_ACT_BADARCH");
    check(seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2), "SCMP_FLTATR_CTL_OPTIMIZE");
  }

  void allow(const char* name, std::initializer_list<condition> where = {}) {
    add(SCMP_ACT_ALLOW, number_of(name), where);
  }
  void allow(std::string_view name) { add(SCMP_ACT_ALLOW, number_of(std::string(name).c_str()), {}); }
  void absent(int number) { add(SCMP_ACT_ERRNO(ENOSYS), number, {}); }
  void trap(std::string_view name) { add(SCMP_ACT_TRAP, number_of(std::string(name).c_str()), {}); }
  void refuse(const char* name, int error, std::initializer_list<condition> where = {}) {
    add(SCMP_ACT_ERRNO(error), number_of(name), where);
  }

  /// An int argument has one of these values.
  void allow_one_of(const char* name, unsigned index, std::initializer_list<std::uint64_t> values) {
    for (const std::uint64_t value : values) allow(name, {is(index, value)});
  }
  /// An int argument names this process, by its number or by 0.
  void allow_own(const char* name, unsigned index) { allow_one_of(name, index, {own_pid, 0}); }

  [[nodiscard]] std::vector<sock_filter> program() const {
    const base::unique_fd file(base::check(::memfd_create("selvage-filter", MFD_CLOEXEC), "memfd_create"));
    check(seccomp_export_bpf(context_.get(), file.get()), "seccomp_export_bpf");
    const auto size = static_cast<std::size_t>(base::check(::lseek(file.get(), 0, SEEK_END), "lseek"));
    std::vector<sock_filter> code(size / sizeof(sock_filter));
    if (::pread(file.get(), code.data(), size, 0) != static_cast<ssize_t>(size)) base::throw_errno(EIO, "pread");
    return code;
  }

 private:
  struct release {
    void operator()(scmp_filter_ctx context) const noexcept { seccomp_release(context); }
  };

  static int number_of(const char* name) { return seccomp_syscall_resolve_name(name); }
  static void check(int result, const char* what) {
    if (result < 0) base::throw_errno(-result, what);
  }
  void add(std::uint32_t action, int number, std::initializer_list<condition> where) {
    if (number < 0) return;  // another architecture's
    check(seccomp_rule_add_array(context_.get(), action, number, static_cast<unsigned>(where.size()), where.begin()),
          "seccomp_rule_add");
  }

  std::unique_ptr<void, release> context_;
};

// ---- what is inspected ---------------------------------------------------------------------------------------------

void memory(program_writer& to, const filter_grants& given) {
  constexpr unsigned protection = 2;
  if (given.jit) {
    for (const char* const call : {"mmap", "mprotect", "pkey_mprotect"}) to.allow(call);
    return;
  }
  // dlopen maps code from files, and exec does: executable alone is well; to become executable is not.
  to.allow("mmap", {bits(protection, PROT_EXEC, 0)});
  to.allow("mmap", {bits(protection, PROT_WRITE | PROT_EXEC, PROT_EXEC)});
  to.allow("mprotect", {bits(protection, PROT_EXEC, 0)});
  to.allow("pkey_mprotect", {bits(protection, PROT_EXEC, 0)});
}

void descriptors(program_writer& to) {
  to.allow_one_of("fcntl", 1,
                  {F_DUPFD,      F_GETFD,      F_SETFD,     F_GETFL,      F_SETFL,       F_GETLK,      F_SETLK,
                   F_SETLKW,     F_OFD_GETLK,  F_OFD_SETLK, F_OFD_SETLKW, F_GETOWN,      F_GETSIG,     F_DUPFD_CLOEXEC,
                   F_SETPIPE_SZ, F_GETPIPE_SZ, F_ADD_SEALS, F_GET_SEALS,  f_get_rw_hint, f_set_rw_hint});
  // Space beyond a file's end (FALLOC_FL_KEEP_SIZE alone) is counted by no limit; holes only give some back.
  to.allow_one_of("fallocate", 1, {0, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE});
  to.allow_one_of("ioctl", 1, {TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIOCLEX, FIONCLEX});
}

void own_process(program_writer& to, const filter_grants& given) {
  constexpr std::uint64_t namespaces =
      CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP;
  constexpr std::uint64_t thread = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD;
  to.allow("clone", {bits(0, namespaces | thread, thread)});
  if (given.runs_programs()) {
    // A process that shared this memory could outlive the worker with its lane still mapped. posix_spawn's child shares
    // it until it executes.
    constexpr std::uint64_t until_exec = CLONE_VM | CLONE_VFORK;
    to.allow("clone", {bits(0, namespaces | CLONE_VM, 0)});
    to.allow("clone", {bits(0, namespaces | until_exec, until_exec)});
  }
  to.allow("personality", {is(0, int_bits)});
  // Nothing by which it could become dumpable, outlive its supervisor, or take SIGSYS over.
  to.allow_one_of(
      "prctl", 0,
      {PR_SET_NAME, PR_GET_NAME, PR_GET_PDEATHSIG, PR_GET_DUMPABLE, PR_GET_KEEPCAPS, PR_GET_SECCOMP, PR_CAPBSET_READ,
       PR_GET_TIMERSLACK, PR_SET_TIMERSLACK, PR_GET_NO_NEW_PRIVS, PR_SET_NO_NEW_PRIVS, PR_GET_TID_ADDRESS,
       PR_GET_CHILD_SUBREAPER, PR_SET_THP_DISABLE, PR_GET_THP_DISABLE, pr_set_vma, pr_get_auxv});
  // Any signal but SIGSYS: some bit of it is another one. (Not by a comparison with "not equal", which would look at
  // bits that the kernel does not.)
  constexpr unsigned signal_bits = 7;
  for (unsigned bit = 0; bit < signal_bits; ++bit) {
    const std::uint64_t mask = std::uint64_t{1} << bit;
    to.allow("rt_sigaction", {bits(0, mask, ~static_cast<std::uint64_t>(SIGSYS) & mask)});
  }
}

void other_processes(program_writer& to, const filter_grants& given) {
  for (const char* const call :
       {"prlimit64", "sched_getaffinity", "sched_getattr", "sched_getparam", "sched_getscheduler",
        "sched_rr_get_interval", "sched_setaffinity", "sched_setattr", "sched_setparam", "sched_setscheduler"}) {
    to.allow_own(call, 0);
  }
  for (const std::uint64_t pid : {std::uint64_t{own_pid}, std::uint64_t{0}}) {
    for (const char* const call : {"getpriority", "setpriority"}) to.allow(call, {is(0, PRIO_PROCESS), is(1, pid)});
    for (const char* const call : {"ioprio_get", "ioprio_set"}) to.allow(call, {is(0, ioprio_who_process), is(1, pid)});
  }
  for (const char* const call : {"kill", "tgkill", "tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"}) {
    if (given.runs_programs()) {
      to.allow(call);  // a program's abort() names the program: Landlock keeps signals within the worker's tree
    } else {
      to.allow(call, {is(0, own_pid)});
    }
  }
}

void files(program_writer& to, const filter_grants& given) {
  if (any_of(grant::files, given.granted)) {
    for (const char* const call : {"newfstatat", "statx"}) to.allow(call);
    return;
  }
  to.allow("newfstatat", {bits(3, AT_EMPTY_PATH, AT_EMPTY_PATH)});
  to.allow("statx", {bits(2, AT_EMPTY_PATH, AT_EMPTY_PATH)});
}

void network(program_writer& to, const filter_grants& given) {
  // TCP fast open connects without connect(), where Landlock would not look.
  if (!given.tcp && !given.udp) {
    to.allow("sendto", {is_null(4), bits(3, msg_fastopen, 0)});  // a socket that was inherited, and is connected
    return;
  }
  to.allow("sendto", {bits(3, msg_fastopen, 0)});
  to.allow("sendmsg", {bits(2, msg_fastopen, 0)});
  to.allow("sendmmsg", {bits(3, msg_fastopen, 0)});
  constexpr std::uint64_t kind = 0xf;  // above it: SOCK_NONBLOCK, SOCK_CLOEXEC
  for (const std::uint64_t family : {AF_INET, AF_INET6}) {
    for (const std::uint64_t protocol : {std::uint64_t{0}, std::uint64_t{IPPROTO_TCP}}) {
      if (given.tcp) to.allow("socket", {is(0, family), bits(1, kind, SOCK_STREAM), is(2, protocol)});
    }
    for (const std::uint64_t protocol : {std::uint64_t{0}, std::uint64_t{IPPROTO_UDP}}) {
      if (given.udp) to.allow("socket", {is(0, family), bits(1, kind, SOCK_DGRAM), is(2, protocol)});
    }
  }
}

// ---- the table by number -------------------------------------------------------------------------------------------

struct freed {
  void operator()(char* name) const noexcept { std::free(name); }
};

struct table {
  static constexpr int numbers = 1024;
  std::array<const syscall_rule*, numbers> by_number{};
  int end = 0;

  table() {
    for (const syscall_rule& rule : syscall_rules()) {
      const int number = seccomp_syscall_resolve_name(std::string(rule.name).c_str());
      if (number >= 0 && number < numbers) by_number[static_cast<std::size_t>(number)] = &rule;
    }
    for (int number = 0; number < numbers; ++number) {
      const std::unique_ptr<char, freed> name(seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number));
      if (name) end = number + 1;
    }
  }
};

const table& known() {
  static const table it;
  return it;
}

// Before libseccomp's program: what is above every number that it knows. It kills the numbers of x32, and would kill
// -1, which is no call at all.
std::vector<sock_filter> prologue() {
  constexpr auto none = static_cast<std::uint32_t>(-1);
  const auto end = static_cast<std::uint32_t>(end_of_numbers());
#if defined(__x86_64__)
  constexpr std::uint8_t over_x32 = 1;
#else
  constexpr std::uint8_t over_x32 = 0;
#endif
  std::vector<sock_filter> code;
  code.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
  code.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, none, 2 + over_x32, 0));
#if defined(__x86_64__)
  code.push_back(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, x32_bit, 3, 0));
#endif
  code.push_back(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, end, 0, 2));
  code.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS));
  code.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  return code;
}

// What is refused is an errno, unless everything ends the program; what no honest one does always does. libseccomp
// takes no rule that says what is done otherwise.
void programs(program_writer& to, const filter_grants& given) {
  if (!given.runs_programs()) return;
  if (given.traps()) {
    // A program is started with its signals reset while all are blocked, where a trap would end it.
    to.refuse("rt_sigaction", EPERM, {is(0, SIGSYS)});
    return;
  }
  for (const syscall_rule& rule : syscall_rules()) {
    if (rule.then == outcome::forbidden) to.trap(rule.name);
  }
}

}  // namespace

std::vector<sock_filter> build_filter(const filter_grants& wanted) {
  filter_grants given = wanted;
  // A program opens its libraries. Which files: Landlock.
  if (given.runs_programs()) given.granted = given.granted | grant::read;
  program_writer to(given.traps() ? SCMP_ACT_TRAP : SCMP_ACT_ERRNO(EPERM));
  for (const syscall_rule& rule : syscall_rules()) {
    if (rule.then == outcome::allowed || (rule.then == outcome::granted && any_of(rule.needs, given.granted))) {
      to.allow(rule.name);
    }
  }
  memory(to, given);
  descriptors(to);
  own_process(to, given);
  other_processes(to, given);
  files(to, given);
  network(to, given);
  programs(to, given);
  for (int number = 0; number < end_of_numbers(); ++number) {
    const syscall_rule* const rule = rule_of(number);
    if (rule == nullptr || rule->then == outcome::absent) to.absent(number);
  }
  std::vector<sock_filter> code = prologue();
  const std::vector<sock_filter> tree = to.program();
  code.insert(code.end(), tree.begin(), tree.end());
  return code;
}

std::vector<sock_filter> filter_for(std::vector<sock_filter> program, pid_t pid) {
  for (sock_filter& each : program) {
    if (each.code == (BPF_JMP | BPF_JEQ | BPF_K) && each.k == own_pid) each.k = static_cast<std::uint32_t>(pid);
  }
  return program;
}

const syscall_rule* rule_of(int number) noexcept {
  if (number < 0 || number >= table::numbers) return nullptr;
  return known().by_number[static_cast<std::size_t>(number)];
}

int end_of_numbers() noexcept { return known().end; }

}  // namespace selvage::worker::sandbox

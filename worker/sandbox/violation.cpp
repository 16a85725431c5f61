// The handler of violation.hpp.

#include "worker/sandbox/violation.hpp"

#include <linux/futex.h>
#include <signal.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "base/syscalls.hpp"
#include "worker/crash_recorder.hpp"
#include "worker/sandbox/filter.hpp"

namespace selvage::worker::sandbox {
namespace {

// The state is global because a signal handler has no other.
struct {
  std::atomic<shm::refusal_record*> record{nullptr};
  std::uint64_t epoch = 0;
  std::atomic<on_violation> then{on_violation::refuse};
  std::atomic<std::uint64_t> count{0};
  std::atomic<bool> writing{false};
} state;

using arguments = std::array<std::uint64_t, 6>;

#if defined(__x86_64__)
arguments arguments_of(const ucontext_t& context) noexcept {
  const auto& at = context.uc_mcontext.gregs;
  const auto word = [&](int reg) { return static_cast<std::uint64_t>(at[reg]); };
  return {word(REG_RDI), word(REG_RSI), word(REG_RDX), word(REG_R10), word(REG_R8), word(REG_R9)};
}
void answer(ucontext_t& context, int error) noexcept { context.uc_mcontext.gregs[REG_RAX] = -error; }
#else
arguments arguments_of(const ucontext_t& context) noexcept {
  const auto& at = context.uc_mcontext.regs;
  return {at[0], at[1], at[2], at[3], at[4], at[5]};
}
void answer(ucontext_t& context, int error) noexcept {
  context.uc_mcontext.regs[0] = static_cast<std::uint64_t>(-static_cast<std::int64_t>(error));
}
#endif

std::uint8_t path_argument(const syscall_rule& rule) noexcept {
  if (rule.name == "execve" || rule.name == "execveat") return rule.name == "execve" ? 0 : 1;
  if (!any_of(rule.needs, grant::files) || rule.name == "fchdir" || rule.name == "getcwd") return shm::no_path;
  constexpr std::string_view behind_a_descriptor[] = {"faccessat2", "openat2", "renameat2", "statx"};
  const bool second = rule.name.ends_with("at") && rule.name != "stat" && rule.name != "lstat";
  return second || std::ranges::find(behind_a_descriptor, rule.name) != std::end(behind_a_descriptor) ? 1 : 0;
}

// Asks the kernel to read there. Not ours to assume: the pointer is the task's. Source: futex(2), EFAULT
bool readable(std::uint64_t address) noexcept {
  const timespec at_once = {0, 0};
  const std::uint64_t word = address & ~std::uint64_t{3};
  return ::syscall(SYS_futex, word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0, &at_once, nullptr, 0) == 0 || errno != EFAULT;
}

void copy_text(std::uint64_t from, char (&to)[shm::refused_path_bytes]) noexcept {
  std::size_t length = 0;
  while (from != 0 && length + 1 < sizeof to) {
    const std::uint64_t at = from + length;
    if ((length == 0 || at % shm::page_bytes == 0) && !readable(at)) break;
    const char letter = *reinterpret_cast<const volatile char*>(at);  // NOLINT(performance-no-int-to-ptr)
    if (letter == 0) break;
    to[length++] = letter;
  }
  to[length] = 0;
}

void write_down(int number, const arguments& given, const syscall_rule* rule) noexcept {
  const std::uint64_t count = state.count.fetch_add(1, std::memory_order_relaxed) + 1;
  shm::refusal_record* const record = state.record.load(std::memory_order_acquire);
  if (record == nullptr) return;
  record->count.store(count, std::memory_order_relaxed);
  if (state.writing.exchange(true, std::memory_order_acquire)) return;  // one of several at once is enough
  const std::uint32_t turn = record->turn.load(std::memory_order_relaxed);
  record->turn.store(turn | 1U, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);  // SYNC refusal: odd before the rest changes
  record->epoch = state.epoch;
  record->call_id = crash_recorder::current_call();
  record->number = number;
  std::copy(given.begin(), given.end(), record->arguments);
  record->needs = static_cast<std::uint8_t>(rule == nullptr ? grant::none : rule->needs);
  record->path[0] = 0;
  record->path_argument = rule == nullptr ? shm::no_path : path_argument(*rule);
  if (record->path_argument != shm::no_path) copy_text(given[record->path_argument], record->path);
  record->turn.store((turn | 1U) + 1, std::memory_order_release);  // SYNC refusal: complete
  state.writing.store(false, std::memory_order_release);
}

// Before the lane is open, in the initializer that is, there is no other place. Its tail is in the error of the start.
void name_on_stderr(const syscall_rule* rule) noexcept {
  constexpr std::string_view before = "selvage: the initializer was ended for a system call that it may not make: ";
  const std::string_view name = rule == nullptr ? "one without a name" : rule->name;
  for (const std::string_view part : {before, name, std::string_view("\n")})
    (void)base::retry_eintr([&] { return ::write(STDERR_FILENO, part.data(), part.size()); });
}

int error_for(const syscall_rule* rule) noexcept {
  if (rule == nullptr || rule->then == outcome::absent) return ENOSYS;
  return rule->needs == grant::none ? EPERM : EACCES;
}

void on_trap(int signal, siginfo_t* info, void* context) {
  const int kept = errno;
  auto& interrupted = *static_cast<ucontext_t*>(context);
  constexpr int from_seccomp = 1;  // SYS_SECCOMP
  if (info->si_code != from_seccomp) crash_recorder::record_and_die(signal, info, context);
  const syscall_rule* const rule = rule_of(info->si_syscall);
  write_down(info->si_syscall, arguments_of(interrupted), rule);
  const bool dishonest = rule != nullptr && rule->then == outcome::forbidden;
  if (dishonest || state.then.load(std::memory_order_relaxed) == on_violation::kill) {
    if (state.record.load(std::memory_order_relaxed) == nullptr) name_on_stderr(rule);  // relaxed: set by this thread
    crash_recorder::record_and_die(signal, info, context);
  }
  answer(interrupted, error_for(rule));
  errno = kept;
}

}  // namespace

void install_violation_handler() {
  state.record.store(nullptr, std::memory_order_relaxed);
  state.count.store(0, std::memory_order_relaxed);
  state.then.store(on_violation::refuse, std::memory_order_relaxed);
  (void)rule_of(0);  // built before it is needed
  struct sigaction action = {};
  action.sa_sigaction = &on_trap;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  base::check(::sigaction(SIGSYS, &action, nullptr), "sigaction(SIGSYS)");
}

void set_violation(on_violation then) noexcept { state.then.store(then, std::memory_order_relaxed); }

void open_refusals(shm::refusal_record& record, std::uint64_t epoch) noexcept {
  state.epoch = epoch;
  state.count.store(0, std::memory_order_relaxed);
  state.record.store(&record, std::memory_order_release);
}

std::uint64_t refusals() noexcept { return state.count.load(std::memory_order_relaxed); }

}  // namespace selvage::worker::sandbox

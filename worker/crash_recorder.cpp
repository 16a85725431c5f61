// The recorder of crash_recorder.hpp: handlers, the record, and the way out.
#include "worker/crash_recorder.hpp"

#include <link.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/syscalls.hpp"
#include "worker/stack_walk.hpp"

namespace selvage::worker::crash_recorder {
namespace {

constexpr std::array fatal_signals = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS, SIGXCPU, SIGXFSZ};
// The unwinder takes about 10 KiB, a signal frame with AMX state 11 KiB.
constexpr std::size_t alternate_stack_bytes = std::size_t{64} * 1024;

struct recorder {
  std::atomic<shm::crash_record*> record{nullptr};
  std::uint64_t epoch = 0;
  std::uint64_t image_base = 0;
  std::atomic<pid_t> process{0};
  std::atomic<pid_t> thread{0};  // that records, once there is one
  std::atomic<bool> walking{false};
  sigjmp_buf walk_failed{};
};
static_assert(std::atomic<pid_t>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);

recorder state;

pid_t current_thread() noexcept { return static_cast<pid_t>(::syscall(SYS_gettid)); }

// True in a child that a task forked, where the lane is not mapped.
bool in_foreign_process() noexcept { return ::getpid() != state.process.load(std::memory_order_relaxed); }

// Ends the process by `signal` with its default action, so that the wait status tells which it was. A sealed worker may
// not touch SIGSYS: to try is to die of it, where it is blocked.
[[noreturn]] void die_of(int signal) noexcept {
  sigset_t only;
  sigemptyset(&only);
  sigaddset(&only, signal);
  ::pthread_sigmask(SIG_BLOCK, &only, nullptr);
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  ::sigaction(signal, &action, nullptr);
  sigset_t none;
  sigemptyset(&none);
  ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
  ::syscall(SYS_tgkill, ::getpid(), current_thread(), signal);
  ::_exit(128 + signal);
}

[[noreturn]] void wait_for_the_end() noexcept {
  for (;;) ::pause();
}

// The first thread to come here records. Another one waits until that has ended the process.
bool become_the_recording_thread() noexcept {
  pid_t nobody = 0;
  const pid_t self = current_thread();
  if (state.thread.compare_exchange_strong(nobody, self, std::memory_order_acq_rel)) return true;
  if (nobody != self) wait_for_the_end();
  return false;
}

bool has_address(int signal, int code) noexcept {
  return code > 0 && (signal == SIGSEGV || signal == SIGBUS || signal == SIGFPE || signal == SIGILL ||
                      signal == SIGTRAP || signal == SIGSYS);
}

void begin_record(shm::crash_record& record) noexcept {
  record.signal = record.signal_code = record.exit_status = 0;
  record.fault_address = 0;
  record.epoch = state.epoch;
  record.call_id = current_call();
  record.image_base = state.image_base;
  record.thread_id = static_cast<std::uint32_t>(current_thread());
  record.frame_count = 0;
}

void record_frames(shm::crash_record& record, const ucontext_t& context, bool bad_jump) noexcept {
  // A fault on the way (a smashed stack) comes back here; the frames found until then count.
  if (sigsetjmp(state.walk_failed, 0) == 0) {
    state.walking.store(true, std::memory_order_relaxed);
    walk_stack(context, bad_jump, {record.frames, shm::max_crash_frames}, record.frame_count);
  }
  state.walking.store(false, std::memory_order_relaxed);
}

void on_fatal_signal(int signal, siginfo_t* info, void* context) {
  if (in_foreign_process()) die_of(signal);
  if (!become_the_recording_thread()) {
    if (state.walking.load(std::memory_order_relaxed)) siglongjmp(state.walk_failed, 1);
    die_of(signal);
  }
  if (shm::crash_record* const record = state.record.load(std::memory_order_acquire)) {
    begin_record(*record);
    record->signal = signal;
    record->signal_code = info->si_code;
    if (has_address(signal, info->si_code)) record->fault_address = reinterpret_cast<std::uintptr_t>(info->si_addr);
    const auto& interrupted = *static_cast<const ucontext_t*>(context);
    const bool bad_jump =
        (signal == SIGSEGV || signal == SIGBUS) && record->fault_address == program_counter(interrupted);
    record_frames(*record, interrupted, bad_jump);
    // SYNC crash: the record is complete
    record->kind.store(static_cast<std::uint32_t>(shm::crash_kind::signal), std::memory_order_release);
  }
  die_of(signal);
}

void install_alternate_stack() {
  // A page that cannot be touched lies below it, so that the handler's own overflow ends the process.
  const std::size_t guard = shm::page_bytes;
  void* const memory = ::mmap(nullptr, guard + alternate_stack_bytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) base::throw_errno(errno, "mapping the crash recorder's stack");
  base::check(::mprotect(memory, guard, PROT_NONE), "mprotect of the crash recorder's guard page");
  stack_t stack = {};
  stack.ss_sp = static_cast<std::byte*>(memory) + guard;
  stack.ss_size = alternate_stack_bytes;
  base::check(::sigaltstack(&stack, nullptr), "sigaltstack");
}

std::uint64_t main_image_base() noexcept {
  std::uint64_t base = 0;
  // The main program comes first.
  ::dl_iterate_phdr(
      [](dl_phdr_info* image, std::size_t, void* found) {
        *static_cast<std::uint64_t*>(found) = image->dlpi_addr;
        return 1;
      },
      &base);
  return base;
}

}  // namespace

void record_and_die(int signal, siginfo_t* info, void* context) noexcept {
  on_fatal_signal(signal, info, context);
  die_of(signal);
}

void install() {
  state.record.store(nullptr, std::memory_order_relaxed);
  state.thread.store(0, std::memory_order_relaxed);
  state.process.store(::getpid(), std::memory_order_relaxed);
  state.image_base = main_image_base();
  running(0);
  warm_stack_walk();
  install_alternate_stack();

  struct sigaction action = {};
  action.sa_sigaction = &on_fatal_signal;
  // A fault in the handler itself must reach it again, and so must a system call that is refused there (the unwinder's,
  // say), which would otherwise end the process before it is recorded; anything else waits.
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  sigfillset(&action.sa_mask);
  sigdelset(&action.sa_mask, SIGSEGV);
  sigdelset(&action.sa_mask, SIGBUS);
  sigdelset(&action.sa_mask, SIGSYS);
  for (const int signal : fatal_signals) base::check(::sigaction(signal, &action, nullptr), "sigaction");
}

void open(shm::crash_record& record, std::uint64_t epoch) noexcept {
  state.epoch = epoch;
  state.record.store(&record, std::memory_order_release);
}

void record_exit(shm::crash_kind kind, int status) noexcept {
  if (in_foreign_process() || !become_the_recording_thread()) return;
  shm::crash_record* const record = state.record.load(std::memory_order_acquire);
  if (record == nullptr) return;
  begin_record(*record);
  record->exit_status = status;
  record->kind.store(static_cast<std::uint32_t>(kind), std::memory_order_release);  // SYNC crash
}

}  // namespace selvage::worker::crash_recorder

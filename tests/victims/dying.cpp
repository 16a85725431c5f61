// Victims that end their worker. See victims.hpp.
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <thread>

#include "tests/victims/victims.hpp"

namespace selvage::victims {
namespace {

[[noreturn]] void wait_for_the_end() {
  for (;;) ::pause();
}

// Not foldable: the compiler must not see what these hold.
[[maybe_unused]] volatile int zero = 0;  // x86-64 only
volatile int sink = 0;

// Through a volatile pointer, and walking upward over this frame and its callers'.
__attribute__((noinline)) void overwrite_from(volatile unsigned char* place, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) place[i] = 0x41;
}

__attribute__((noinline)) void smash() {
  volatile unsigned char local[16];
  local[0] = 0;
  overwrite_from(local, 512);
  dereference_null();
}

}  // namespace

// Not in the unnamed namespace: a test looks for it in the stack.
int descend(volatile char* above, int depth);
int descend(volatile char* above, int depth) {
  volatile char frame[4096];
  frame[0] = static_cast<char>(depth);
  frame[4095] = above[0];
  const int below = depth == -1 ? 0 : descend(frame, depth + 1);
  return below + frame[4095];
}

void kill_itself() {
  ::kill(::getpid(), SIGKILL);
  wait_for_the_end();
}

void dereference_null() { write_at(0); }

__attribute__((noinline, no_sanitize("undefined"))) void write_at(std::uint64_t address) {
  *reinterpret_cast<volatile int*>(address) = 1;  // NOLINT(performance-no-int-to-ptr): anywhere
}

__attribute__((noinline, no_sanitize("undefined"))) void call_null() {
  void (*volatile nowhere)() = nullptr;
  nowhere();  // NOLINT(clang-analyzer-core.CallAndMessage): the point
  sink = 1;   // not a tail call
}

void touch_behind_the_end() {
  const int fd = ::memfd_create("empty", 0);
  auto* const page = static_cast<volatile char*>(::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0));
  sink = static_cast<unsigned char>(page[0]);
}

__attribute__((no_sanitize("undefined"))) void divide_by_zero() {
#if defined(__x86_64__)
  sink = sink / zero;
#else
  ::raise(SIGFPE);
#endif
}

void run_an_illegal_instruction() {
#if defined(__x86_64__)
  asm volatile("ud2");
#else
  asm volatile("udf #0");
#endif
}

void abort_itself() { std::abort(); }

void hit_a_breakpoint() {
#if defined(__x86_64__)
  asm volatile("int3");
#else
  asm volatile("brk #0");
#endif
}

void exit_at_once(int status) { ::_exit(status); }
void exit_politely(int status) { std::exit(status); }
void exit_quickly(int status) { std::quick_exit(status); }
void leave_its_main_thread() { ::pthread_exit(nullptr); }

void throw_in_a_detached_thread() {
  std::thread([] { throw std::runtime_error("nobody catches this"); }).detach();
  wait_for_the_end();
}

void crash_in_a_second_thread() { std::thread(&dereference_null).join(); }

void overflow_the_stack() {
  volatile char top[1] = {0};
  sink = descend(top, 0);
}

void smash_its_stack() {
  smash();
  sink = 1;
}

}  // namespace selvage::victims

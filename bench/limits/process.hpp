#pragma once
// What the limits stand on: shared memory, a second process, futexes, pinning and the clock.
//
// Called by: every limit of this folder, and by bench/ for the clock. Never: includes a Selvage header, so that a limit
// says what the machine can do and not what Selvage does.

#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <utility>

namespace limits {

inline constexpr std::size_t line_bytes = 64;
inline constexpr int any_cpu = -1;   ///< not pinned: the scheduler decides, as it does for a pool
inline constexpr int all_cpus = -2;  ///< takes a pin back

/// CLOCK_MONOTONIC. Cost: about 20 ns.
[[nodiscard]] inline std::uint64_t now_ns() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}

inline void spin_pause() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");
#endif
}

/// One wait in a spin loop. Where it has gone on for 100 us and more the other side has no processor: it may have
/// this one.
class spinner {
 public:
  static constexpr std::uint32_t pauses_before_yield = 4096;

  /// Returns: true where it yielded.
  bool pause() noexcept {
    spin_pause();
    if (++pauses_ % pauses_before_yield != 0) return false;
    ::sched_yield();
    return true;
  }

 private:
  std::uint32_t pauses_ = 0;
};

/// Blocks: until a wake, for a second at most, and not at all where `word` no longer holds `expected`. Returns: false
/// where the second passed. Spurious returns happen: look again.
bool futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t expected) noexcept;
void futex_wake(const std::atomic<std::uint32_t>& word) noexcept;

/// Keeps a process (0: the calling thread, and what it forks from here on) on one processor; any_cpu: as it is.
/// Throws std::system_error where there is no such processor.
void pin(int cpu, int pid = 0);

/// Takes exactly `ns` of time but little of the processor: sleeps for most of it and spins through the last 150 us,
/// for a timer alone is late by its slack (50 us) and by the wake of a halted core.
void pass_time(std::uint64_t ns) noexcept;

/// A nameless POSIX shared-memory segment, reserved and mapped at once. Of the same kind as a pool's, so that the
/// kernel treats the pages of both alike. Throws std::system_error, also where /dev/shm has no room.
class shared_memory {
 public:
  explicit shared_memory(std::size_t bytes);
  shared_memory(const shared_memory&) = delete;
  shared_memory& operator=(const shared_memory&) = delete;
  ~shared_memory();

  [[nodiscard]] std::byte* data() const noexcept { return data_; }
  /// Maps every page in the calling process: a fork does not inherit the page tables of shared memory.
  void populate() const noexcept;

 private:
  std::byte* data_ = nullptr;
  std::size_t bytes_;
};

/// The second process of a limit. Killed and reaped with the object, and dead with the thread that forked it.
class peer {
 public:
  /// Forks; `serve` runs in the child, pinned to `cpu`. It must not allocate: the caller may have threads.
  template <class Serve>
  peer(int cpu, Serve&& serve) : pid_(fork_child()) {
    if (pid_ == 0) {
      std::forward<Serve>(serve)();
      ::_exit(0);
    }
    pin_child(cpu);
  }
  peer(const peer&) = delete;
  peer& operator=(const peer&) = delete;
  ~peer();

  /// Spins until `done()` is true. Throws std::runtime_error where the peer has died: nothing would ever come.
  template <class Done>
  void spin_until(Done&& done) const {
    for (spinner spin; !done();) {
      if (spin.pause() && !alive() && !done()) died();  // its last word counts
    }
  }
  /// The same, asleep on `word` until it holds `wanted`.
  void sleep_until(const std::atomic<std::uint32_t>& word, std::uint32_t wanted) const;

 private:
  static int fork_child();
  void pin_child(int cpu);
  [[nodiscard]] bool alive() const noexcept;
  [[noreturn]] static void died();
  void end() noexcept;

  int pid_;
};

/// Keeps a peer that spins off the processors while something else is measured: it sleeps until the gate opens.
class gate {
 public:
  void open() noexcept {
    open_.store(1, std::memory_order_release);
    futex_wake(open_);
  }
  void close() noexcept { open_.store(0, std::memory_order_release); }
  [[nodiscard]] bool is_open() const noexcept { return open_.load(std::memory_order_acquire) != 0; }
  void wait_until_open() const noexcept {
    while (!is_open()) futex_wait(open_, 0);
  }

 private:
  alignas(line_bytes) std::atomic<std::uint32_t> open_{0};
};

/// Opens for a scope.
class opened {
 public:
  explicit opened(gate& which) noexcept : gate_(which) { gate_.open(); }
  opened(const opened&) = delete;
  opened& operator=(const opened&) = delete;
  ~opened() { gate_.close(); }

 private:
  gate& gate_;
};

}  // namespace limits

#pragma once
// What a pool, a task and a call can be told. Aggregates for designated initialisers; every default stands beside
// its field.
// Validated once, those of the pool and its tasks when the pool is built, those of a call when it is made:
// selvage::error (invalid_options) names the field.

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include <selvage/bytes.hpp>
#include <selvage/event.hpp>
#include <selvage/permissions.hpp>

namespace selvage {

/// How the pool's processes come to be.
enum class start : std::uint8_t {
  /// The supervisor is forked from this process, so any callable works, captured state included. It keeps a
  /// copy-on-write snapshot of this process for the pool's life, and each worker holds that memory too: large or
  /// fast-changing hosts, hosts with threads, and untrusted tasks want `spawn`. Costs: one fork of this process, then
  /// one of the snapshot per worker.
  fork,
  /// The supervisor is this executable started afresh, with an empty environment and /dev/null for standard input and
  /// output. Tasks must have no captured state, initializer and finalizer must be plain functions, and main() must
  /// begin with selvage::init(argc, argv). Costs: two or three milliseconds when the pool is built, however large this
  /// process.
  spawn,
};

/// Which worker gets the next call, among those with room.
enum class balance : std::uint8_t {
  /// The first idle worker that is awake; else one with less than 20 us of work ahead, which is what it takes to wake
  /// another; else the first that sleeps; else the one with least work ahead. Few workers stay warm. Short calls that
  /// are queued stay with one worker for as long as it does them faster than they are made and taken.
  first_idle,
  round_robin,           ///< in turn
  random,                ///< any, evenly
  first_idle_or_random,  ///< as first_idle, and any where none is idle
};

/// Shared memory for arguments, and as much again for results, for each worker. Reserved before it is used; an unused
/// arena costs address space only.
struct arena_options {
  bytes initial = 4_MiB;   ///< reserved when the first payload needs it
  bytes maximum = 64_MiB;  ///< never more; multiples of 4 KiB
  bool growable = true;    ///< false: `maximum` is reserved when the pool is built, and `initial` is ignored
};

/// Busy waiting before sleeping, and the sleep. Budgets are upper bounds: each side spins less while spinning does not
/// pay.
struct spin_options {
  std::chrono::nanoseconds host{std::chrono::microseconds(40)};    ///< a caller in get(); 0: sleep at once
  std::chrono::nanoseconds worker{std::chrono::microseconds(40)};  ///< an idle worker; 0: sleep at once
  /// Pause instructions between two looks of a spin, 1 to 1,000: more leave more of the core to its hyper-thread, and
  /// see an answer later.
  unsigned pause = 1;
  /// The longest sleep before a side looks again by itself, at least 10 us; 0: until it is woken. Nothing needs it,
  /// as no wake-up is lost: it is for finding out whether one was. Cost: some 10 us of processor time a look, of every
  /// idle worker. A worker whose coroutines wait sleeps in its event loop.
  std::chrono::nanoseconds park{0};
};

/// How many calls are posted ahead to one worker. They are posted by time: until the work ahead of a worker, as
/// measured for each task, reaches `window`; or 5 ms where arguments take 64 KiB and more, since those that are kept
/// instead are copied twice. One call is posted ahead of up to 5 ms of work whatever the window, which hides the gap
/// between two runs: only `maximum = 1` turns that off.
struct depth_options {
  unsigned maximum = 64;  ///< 1 to 64; 1: never behind a running call
  std::chrono::nanoseconds window{std::chrono::milliseconds(2)};
  /// How long an answer may wait for a thread that waits for any of its calls (completion_queue, run) or for room in
  /// the queue, while every worker has more to do: then that thread is woken for many answers at once, and in time to
  /// post more. A future's answer may wait a quarter of it, 250 us at most, where every processor has such a worker
  /// and no other thread waits; twice that where it comes sooner than was expected. At most a second; 0: each answer
  /// wakes its thread. A callback or a coroutine is told at once in any case.
  std::chrono::nanoseconds gather{std::chrono::milliseconds(1)};
};

/// When a worker is replaced although it is well; 0: not for that reason. Never loses a call.
struct recycle_options {
  std::uint64_t calls = 0;  ///< after about so many calls
  bytes resident{0};        ///< once its own resident memory exceeds this (sampled ten times a second)
  std::chrono::nanoseconds age{0};
  double jitter = 0.1;  ///< calls and age vary by this part, so that workers do not go together
};

/// What happens when workers die before they are ready.
/// A constructor whose workers never get ready waits (budget + 1) * start_timeout and the pauses between: about three
/// minutes by default.
struct restart_options {
  unsigned budget = 5;                                              ///< such deaths in a row, of one lane
  std::chrono::nanoseconds backoff{std::chrono::milliseconds(10)};  ///< before the second try; doubles
  std::chrono::nanoseconds backoff_limit{std::chrono::seconds(1)};
  /// From fork to ready. A replacement that nobody has called for yet is not timed: its time counts from when
  /// the program uses the pool again.
  std::chrono::nanoseconds start_timeout{std::chrono::seconds(30)};
};

/// Tasks run on the caller's side, in this process, without any protection: only for tasks that cannot fail. Tasks that
/// are coroutines always go to a worker.
struct inline_options {
  enum class position : std::uint8_t {
    none,   ///< no inline lane
    first,  ///< offered a call before the workers are
    last,   ///< offered a call when no worker has room
  };
  position where = position::none;
  unsigned batch = 8;      ///< calls that a waiting caller runs before it looks at the workers again
  unsigned threshold = 1;  ///< calls in the pool from which on the inline lane takes part
};

struct pool_options {
  /// 1 to 120, in all; 0: as many as this process may use cores. A pool whose tasks have limits or permissions of their
  /// own (task_options) has so many for each class of tasks.
  unsigned workers = 0;
  selvage::start start = start::fork;
  std::string name = "selvage";  ///< of its processes in ps and top: NAME-super, NAME-w0; its first 9 characters show
  arena_options arena{};
  bytes payload_cap{0};  ///< of one argument list or result; 0: an eighth of arena.maximum
  /// Calls that wait in this process while every worker has enough, and as many again that wait for futures among
  /// their arguments; then call() waits.
  unsigned queue = 4096;
  balance balancer = balance::first_idle;
  depth_options depth{};
  spin_options spin{};
  /// For how long the kernel lets a worker run before it looks whether another process is due, 100 us to 100 ms; 0: as
  /// long as the program. A thread of the program that wakes up takes the processor from a worker with a longer slice
  /// than its own (a few ms) at once, where it would have waited for the end of that slice: for a service whose workers
  /// run for milliseconds, 20 ms. In return a worker waits as long for a processor that another one has. Nothing
  /// before Linux 6.12. Source: sched_setattr(2), sched_runtime.
  std::chrono::nanoseconds time_slice{0};
  std::chrono::nanoseconds timeout{0};  ///< of each call, from the start of its run; then its worker is killed; 0: none
  std::chrono::nanoseconds grace{
      0};  ///< at the timeout the abort signal is raised, and the worker killed this much later
  // What a worker may use; 0: as much as the program itself. A call that runs into one of these fails with an error of
  // its own, which has the number in it. How each is enforced, and how many threads there may be: docs/limits.md.
  /// Private memory beyond what it had when it was born, with the processes that its tasks start: errc::out_of_memory.
  bytes memory{0};
  std::chrono::nanoseconds cpu{0};  ///< processor time of one call, in all threads; then it is killed: errc::cpu_limit
  unsigned files = 0;               ///< descriptors that its tasks may have open at once: errc::file_limit
  bytes file_size{0};               ///< up to where a task may write in a file: errc::file_limit
  /// Of the thread that runs tasks: errc::crashed, at an address beyond it. With start::fork the pool must be built by
  /// the program's first thread.
  bytes stack{0};
  /// What tasks may do; the default is unsafe() with start::fork, strict() with start::spawn. A forked worker holds the
  /// program's memory whatever it is permitted.
  selvage::permissions permissions{};
  selvage::on_violation on_violation = on_violation::refuse;
  recycle_options recycle{};
  restart_options restart{};
  std::function<void()> initializer{};  ///< in each worker before its first call; throwing ends the worker
  std::function<void()> finalizer{};    ///< in each worker that is retired; one that fails costs no call
  std::vector<int> inherit{};           ///< descriptors that tasks may use; a fork captures memory, not descriptors
  bool capture_stderr = true;  ///< keep the tail of each worker's standard error for errors; false: leave it connected
  inline_options inline_lane{};
  std::function<void(const event&)> on_event{};  ///< trace hook; see event.hpp
};

struct task_options {
  std::chrono::nanoseconds timeout{0};  ///< 0: the pool's; never negative
  std::chrono::nanoseconds grace{0};    ///< 0: the pool's; never negative
  // Of the workers that run this task; 0: the pool's. Tasks with the same limits and permissions share workers; each
  // such class of a pool has as many as pool_options::workers says, and a queue of its own.
  bytes memory{0};
  std::chrono::nanoseconds cpu{0};
  unsigned files = 0;
  bytes file_size{0};
  bytes stack{0};
  /// Not more than the pool's. A strict pool's task is strict, and each grant must be one of the pool's, or lie below
  /// it. Nothing: the pool's.
  std::optional<selvage::permissions> permissions{};
};

struct call_options {
  /// 0: the task's, else the pool's; nanoseconds::max(): none, whatever theirs. A negative one, such as the rest of a
  /// deadline that has passed, is no limit that a call could keep: the call does not run, and its future has
  /// errc::invalid_options.
  std::chrono::nanoseconds timeout{0};
  std::chrono::nanoseconds grace{0};  ///< 0: the task's, else the pool's; also after an abort while running
  std::stop_token stop{};             ///< a stop request aborts the call
};

}  // namespace selvage

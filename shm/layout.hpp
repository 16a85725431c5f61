#pragma once
// The layout of the shared-memory segment: every byte that two processes share is declared here, once.
//
// Called by: shm/ itself, and by worker/, supervisor/ and pool/ through the views of shm/lane.hpp.
// Never: holds a pointer, a lock, or a word with two writers.
//
//   page 0   segment_header      host, once, before anybody else maps it
//   page 1   host_control        host writes, supervisor reads
//   page 2   supervisor_control  supervisor writes, host reads
//   then for each lane k:
//            supervisor_lane     supervisor writes, host reads; its first page also mapped read-only in worker k
//   then for each lane k:
//            request_region      host writes; worker k and the supervisor read (mapped READ-ONLY there)
//              request_words | 64 request_headers | request arena
//            response_region     worker k writes; the host and the supervisor read it as HOSTILE input
//              response_words | 64 response_headers | crash_record | response arena
//
// A word's life across deaths: `closed` (supervisor) says that a worker and its tree are gone; only then does the host
// zero its words of the lane and publish `open_epoch`; only after that does the next worker zero its own and publish
// `ready_epoch`; only after that does the host post. Doorbells only count up and are never zeroed.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace selvage::shm {

inline constexpr std::size_t page_bytes = 4096;
inline constexpr std::size_t line_bytes = 64;
inline constexpr unsigned slots_per_lane = 64;
inline constexpr std::size_t inline_payload_bytes = 80;
inline constexpr unsigned max_crash_frames = 64;
inline constexpr std::size_t stderr_tail_bytes = 3840;
/// futex_waitv(2) takes 128 words; a few are for the supervisor's doorbell and the collector's own word.
inline constexpr unsigned max_lanes = 120;

using word32 = std::atomic<std::uint32_t>;
using word64 = std::atomic<std::uint64_t>;
static_assert(word32::is_always_lock_free && word64::is_always_lock_free);
static_assert(sizeof(word32) == 4 && sizeof(word64) == 8);

/// How a side sleeps, in its `parked` word: tells the other side how to wake it.
enum class parked : std::uint32_t {
  no = 0,     ///< awake, or about to look again: no wake needed
  futex = 1,  ///< asleep on the other side's doorbell
  event = 2,  ///< asleep in its event loop: write to the lane's eventfd (workers with coroutines only)
};

// ---- the segment's first pages -------------------------------------------------------------------------------------

struct segment_header {
  std::uint64_t format;  ///< format_word: a build with another layout is refused
  std::uint32_t lanes;
  std::uint32_t reserved;
  std::uint64_t request_arena_bytes;   ///< address space of one request arena: its maximum
  std::uint64_t response_arena_bytes;  ///< the same for responses
  std::uint64_t segment_bytes;
};

enum class shutdown_order : std::uint32_t {
  none = 0,
  retire = 1,  ///< let every worker finish what it runs (bounded), run its finalizer and end
  now = 2,     ///< kill every worker
};

struct host_control {
  alignas(line_bytes) word32 parked;  ///< shm::parked: the collector sleeps, ring supervisor_control::doorbell
  word32 shutdown;                    ///< shutdown_order; then the supervisor's eventfd is rung
};

inline constexpr std::size_t last_words_bytes = 256;  // with the zero at the end

struct supervisor_control {
  alignas(line_bytes) word32 doorbell;  ///< counts up; rung after every change of a supervisor_lane
  /// The supervisor's thread id | FUTEX_WAITERS, listed in its robust list: when the supervisor dies, however it dies,
  /// the kernel sets FUTEX_OWNER_DIED here and wakes one waiter. A death notice, not a lock. Source:
  /// get_robust_list(2).
  word32 life;
  /// When the supervisor will next look at deadlines by itself, CLOCK_MONOTONIC ns, never = ~0.
  /// SYNC next_look: store, seq_cst fence, scan posted (supervisor) against store posted, seq_cst fence, read (host).
  alignas(line_bytes) word64 next_look_ns;
  /// Why the supervisor gave up by itself, in words; empty where it did not. Written before it exits.
  alignas(line_bytes) char last_words[last_words_bytes];
};

// ---- what the supervisor says of one lane --------------------------------------------------------------------------

enum class lane_state : std::uint32_t {
  starting = 0,     ///< a worker was forked or is about to be
  running = 1,      ///< it has been seen ready
  retiring = 2,     ///< it was told to stop between two calls
  backing_off = 3,  ///< it died before it was ready; the next one waits
  failed = 4,       ///< the restart budget is spent: no worker will come; start_failure says why
};

enum class verdict_reason : std::uint32_t {
  none = 0,
  signalled = 1,      ///< killed by a signal that the supervisor did not send
  exited = 2,         ///< ended its own process
  timed_out = 3,      ///< killed: `call_id` in `slot` ran over its hard limit
  aborted = 4,        ///< killed: `call_id` in `slot` was still running after its abort grace
  recycled = 5,       ///< retired by order: nothing of it counts against a call
  shut_down = 6,      ///< killed or ended because the pool closes
  start_timeout = 7,  ///< killed: not ready in time
  cpu_limit = 8,      ///< killed: `call_id` in `slot` had used more processor time than it may
  memory_limit = 9,   ///< killed: it and its processes had more private memory than they may
  thread_limit = 10,  ///< killed: it was seen with more threads and processes than it may have
};

/// How a worker ended. Plain fields: published by `closed` (death) or bracketed by `failures` (start_failure).
struct verdict {
  std::uint64_t epoch;
  std::uint32_t reason;  ///< verdict_reason
  std::int32_t pid;
  std::int32_t signal;  ///< for signalled, timed_out, aborted: the signal that ended it
  std::int32_t exit_status;
  std::uint32_t slot;
  std::uint32_t recycle;  ///< recycle_reason, for recycled
  std::uint64_t call_id;
  std::uint64_t user_us;  ///< rusage of the worker and of what it waited for
  std::uint64_t system_us;
  std::uint64_t peak_resident_bytes;
  std::uint64_t minor_faults;
  std::uint64_t major_faults;
  std::uint64_t used;        ///< cpu_limit: nanoseconds, by that call; memory_limit: bytes; thread_limit: threads
  std::uint32_t oom_killer;  ///< 1: the machine's OOM killer was at work when a SIGKILL ended it that nobody here sent
  std::uint32_t error;       ///< errno of a fork that failed, 0 otherwise
  std::uint32_t stderr_length;
  char stderr_tail[stderr_tail_bytes];  ///< the last bytes of its standard error, oldest first
};

enum class recycle_reason : std::uint32_t { none = 0, calls = 1, resident = 2, age = 3, memory = 4 };

/// First page of a lane's supervisor pages; the worker maps this one page read-only.
struct supervisor_words {
  alignas(line_bytes) word64 epoch;   ///< of the worker last forked, from 1
  word64 retire;                      ///< the worker of this epoch ends between two calls (its finalizer runs)
  alignas(line_bytes) word64 closed;  ///< SYNC closed: all up to this epoch are reaped, `death` is written
  word32 state;                       ///< lane_state
  word32 pid;                         ///< of the worker of `epoch`, 0 when there is none
  word32 failures;         ///< SYNC start_failure: a sequence lock over `start_failure`: odd while it is written
  word32 restarts;         ///< workers forked beyond the first
  word32 threads_refused;  ///< counts up: threads and processes beyond the limit that its workers asked for
};

struct supervisor_lane {
  alignas(page_bytes) supervisor_words words;
  alignas(page_bytes) verdict death;          ///< of the last worker whose epoch the host had opened
  alignas(page_bytes) verdict start_failure;  ///< of the last worker that died before it was ready
};

// ---- request region: one writer, the host --------------------------------------------------------------------------

/// request_header::flags
///   bit 0  recall_base  value of the slot's bit in `recall` when the call was posted; recalled once it differs
///   bit 1  abort_base   the same for `abort`
///   bit 2  in_arena     the payload is at `offset` in the request arena, otherwise inline
///   bit 3  in_crowd     many calls of the lane were in flight when it was posted: more are likely to follow at once
struct request_flags {
  static constexpr std::uint8_t recall_base = 1, abort_base = 2, in_arena = 4, in_crowd = 8;
};

/// A time of any length in 32 bits, in microseconds, rounded up by a part in 2^26 at most; 0 means none.
///
///   bits 0-26   mantissa
///   bits 27-31  exponent of two
constexpr std::uint32_t packed_time(std::uint64_t ns) noexcept {
  constexpr unsigned mantissa_bits = 27;
  const std::uint64_t us = ns == 0 ? 1 : ns / 1000 + (ns % 1000 != 0 ? 1 : 0);
  unsigned exponent = 0;
  while (((us + (std::uint64_t{1} << exponent) - 1) >> exponent) >> mantissa_bits != 0) ++exponent;
  const std::uint64_t mantissa = (us + (std::uint64_t{1} << exponent) - 1) >> exponent;
  return static_cast<std::uint32_t>(exponent << mantissa_bits | mantissa);
}
constexpr std::uint64_t unpacked_time_ns(std::uint32_t packed) noexcept {
  constexpr unsigned mantissa_bits = 27;
  const std::uint64_t us = std::uint64_t{packed & ((1U << mantissa_bits) - 1)} << (packed >> mantissa_bits);
  return us > ~std::uint64_t{0} / 1000 ? ~std::uint64_t{0} : us * 1000;
}

struct alignas(2 * line_bytes) request_header {
  word64 call_id;  ///< relaxed: published by `posted`; atomic, for the supervisor may read while the slot is reused
  word64 posted_at_ns;       ///< CLOCK_MONOTONIC; 0 where limit_ns is 0. relaxed, as above
  word64 limit_ns;           ///< hard limit from the start of the run, 0 for none (grace included). relaxed, as above
  std::uint16_t task;        ///< index into the task table
  std::uint8_t form;         ///< detail::payload_form
  std::uint8_t flags;        ///< request_flags
  std::uint32_t soft_limit;  ///< packed_time from the start of the run: then the abort signal is raised; 0 for never
  std::uint64_t offset;
  std::uint64_t length;
  std::byte payload[inline_payload_bytes];
};

/// A copy of a call, or of an answer, in the line of the word that publishes it and in the one beside that: a side that
/// spins on that word has it without fetching the slot's header, which is a second cache miss. A payload of the arena
/// is told by its place. Written only where the other side is likely to spin. A sequence lock: `ticket` is 0 while the
/// rest is written, and nobody waits: whoever reads a torn copy, or an old one, goes by the header, which is always
/// complete.
struct express {
  static constexpr std::size_t payload_bytes = inline_payload_bytes, payload_words = payload_bytes / 8;
  word64 ticket;  ///< SYNC express: which one this is: requests, host_lane's count of posts; answers, the call's id
  word64 shape;   ///< express_shape
  word64 number;  ///< requests, the call's id; answers, service_ns
  word64 payload[payload_words];  ///< or express_place
};

/// Where in the arena the payload is.
struct express_place {
  std::uint64_t offset;
  std::uint64_t length;
};

/// express::shape
///   bits 0-5    slot
///   bits 8-15   form    detail::payload_form
///   bits 16-23  flags   requests, request_flags; answers, response_flags
///   bits 24-31  length  of what is in express::payload, bytes
///   bits 32-47  task    requests only
///   bit 48      placed  express::payload is an express_place
struct express_shape {
  std::uint8_t slot;
  std::uint8_t form;
  std::uint8_t flags;
  std::uint8_t length;
  std::uint16_t task;
  bool placed = false;

  [[nodiscard]] constexpr std::uint64_t packed() const noexcept {
    return std::uint64_t{slot} | std::uint64_t{form} << 8U | std::uint64_t{flags} << 16U |
           std::uint64_t{length} << 24U | std::uint64_t{task} << 32U | std::uint64_t{placed} << 48U;
  }
  [[nodiscard]] static constexpr express_shape of(std::uint64_t packed) noexcept {
    return {static_cast<std::uint8_t>(packed),         static_cast<std::uint8_t>(packed >> 8U),
            static_cast<std::uint8_t>(packed >> 16U),  static_cast<std::uint8_t>(packed >> 24U),
            static_cast<std::uint16_t>(packed >> 32U), (packed >> 48U & 1U) != 0};
  }
};

struct request_words {
  alignas(line_bytes) word64 posted;  ///< SYNC posted: toggled; publishes the slot header and payload to the worker
  express newest;                     ///< of the call just posted, where the lane had none in flight
  alignas(2 *
          line_bytes) word64 taken;  ///< SYNC taken: toggled; the result was copied, its bytes are the worker's again
  alignas(2 * line_bytes) word64 recall;  ///< toggled; see request_flags. Dekker with `started`
  word64 abort;                           ///< toggled; see request_flags
  word64 open_epoch;                      ///< SYNC open_epoch: the worker of this epoch may touch the response region
  word64 open_token;                      ///< a random number, new with each open_epoch: what `ready_token` must echo
  word64 accepted_epoch;                  ///< the host has seen this epoch ready: its death is not a failed start
  word64 retire_request;                  ///< the host asks the supervisor to retire the worker of this epoch
  word32 retire_reason;                   ///< recycle_reason, calls or memory. relaxed: published by retire_request
  word32 parked;                          ///< shm::parked: the host's collector sleeps on response_words::doorbell
  word32 doorbell;                        ///< counts up; the worker sleeps on it
  word32 fences;                          ///< shm::fences of the host. relaxed: published by open_epoch
  word64 quiet;                           ///< slots whose answers ring nobody: the parked host comes for them in time
  alignas(line_bytes) word64 kill_at_ns[slots_per_lane];  ///< then a worker still in this call is killed; 0 for never
};

// ---- response region: one writer, the worker -----------------------------------------------------------------------

enum class response_status : std::uint8_t {
  none = 0,
  ok = 1,
  exception = 2,          ///< the payload is an exception_report
  skipped = 3,            ///< recalled before it was started: it did not run
  payload_too_large = 4,  ///< the result is over the cap; `length` says its size
  payload_exhausted = 5,  ///< shared memory for the result could not be reserved; `length` says its size
  out_of_memory = 6,      ///< std::bad_alloc out of the task or its codec
};

/// response_header::flags
///   bit 0  spent  the worker starts nothing more: what its tasks have left behind takes up its memory
struct response_flags {
  static constexpr std::uint8_t spent = 1;
};

struct alignas(2 * line_bytes) response_header {
  std::uint64_t call_id;
  word64 started_at_ns;  ///< SYNC started: stamped before `started` is toggled
  std::uint64_t service_ns;
  std::uint8_t status;    ///< response_status
  std::uint8_t form;      ///< detail::payload_form
  std::uint8_t in_arena;  ///< 1: the payload is at `offset` in the response arena, otherwise inline
  std::uint8_t flags;     ///< response_flags
  std::uint8_t reserved[4];
  std::uint64_t offset;
  std::uint64_t length;
  std::byte payload[inline_payload_bytes];
};

struct response_words {
  alignas(line_bytes) word64 done;  ///< SYNC done: toggled; publishes the response header and payload to the host
  express newest;                   ///< of the call just answered, where the worker had no other
  alignas(2 * line_bytes) word64 started;  ///< SYNC started: toggled before the task runs
  word64 cpu_ns;                           ///< processor time used when the last call was started, where it is limited
  alignas(2 * line_bytes) word64 ready_epoch;  ///< SYNC ready: initialised, sealed, its words zeroed
  /// Echoes open_token: no worker knows that of its successor, so none can leave a forged ready_epoch behind.
  word64 ready_token;
  word32 parked;    ///< shm::parked: the worker sleeps; ring request_words::doorbell or its eventfd
  word32 doorbell;  ///< counts up; the host sleeps on it
  word32 in_force;  ///< of what its pool wants enforced (measures). relaxed: published by ready_epoch
};

/// response_words::in_force
///   bits 0-7  landlock         version in force, 0: none
///   bit 8     threads_counted  the supervisor is asked before each is started
struct measures {
  std::uint8_t landlock = 0;
  bool threads_counted = false;

  [[nodiscard]] constexpr std::uint32_t packed() const noexcept {
    return std::uint32_t{landlock} | (threads_counted ? 1U << 8U : 0U);
  }
  [[nodiscard]] static constexpr measures of(std::uint32_t packed) noexcept {
    return {static_cast<std::uint8_t>(packed), (packed >> 8U & 1U) != 0};
  }
};

enum class crash_kind : std::uint32_t { none = 0, signal = 1, exit = 2, quick_exit = 3 };

/// Written by the worker's crash recorder on its alternate stack: plain stores, then `kind` (release).
struct crash_record {
  word32 kind;  ///< SYNC crash: crash_kind
  std::int32_t signal;
  std::int32_t signal_code;
  std::int32_t exit_status;
  std::uint64_t epoch;
  std::uint64_t call_id;  ///< that the main thread ran then, 0 for none
  std::uint64_t fault_address;
  std::uint64_t image_base;  ///< load address of the main program, so that another process can symbolise
  std::uint32_t frame_count;
  std::uint32_t thread_id;
  std::uint64_t frames[max_crash_frames];
};

inline constexpr std::size_t refused_path_bytes = 256;
inline constexpr std::uint8_t no_path = 255;

/// What would have allowed a refused system call: bits of refusal_record::needs.
enum class grant : std::uint8_t {
  none = 0,
  read = 1,
  write = 2,
  run = 4,
  network = 8,
  listen = 16,
  files = read | write,
};
[[nodiscard]] constexpr bool any_of(grant wanted, grant given) noexcept {
  return (static_cast<unsigned>(wanted) & static_cast<unsigned>(given)) != 0;
}
[[nodiscard]] constexpr grant operator|(grant a, grant b) noexcept {
  return static_cast<grant>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}

/// The system call that a worker was refused last. Written by its handler of SIGSYS, one thread at a time.
struct refusal_record {
  word64 count;  ///< in this epoch
  word32 turn;   ///< SYNC refusal: odd while what follows is written
  std::int32_t number;
  std::uint64_t epoch;
  std::uint64_t call_id;  ///< that the main thread ran then, 0 for none
  std::uint64_t arguments[6];
  std::uint8_t needs;          ///< grant
  std::uint8_t path_argument;  ///< which of the arguments `path` is; no_path: none
  std::uint8_t reserved[6];
  char path[refused_path_bytes];  ///< ends with 0
};

/// Byte offsets within a region. The arena follows on a page of its own.
struct request_layout {
  static constexpr std::size_t words = 0, headers = page_bytes;
  static constexpr std::size_t arena = headers + slots_per_lane * sizeof(request_header);
};
struct response_layout {
  static constexpr std::size_t words = 0, headers = page_bytes;
  static constexpr std::size_t crash = headers + slots_per_lane * sizeof(response_header);
  static constexpr std::size_t refusal = crash + page_bytes / 2;
  static constexpr std::size_t arena = crash + page_bytes;
};

// ---- what must hold ------------------------------------------------------------------------------------------------

static_assert(sizeof(request_header) == 128 && sizeof(response_header) == 128);
static_assert(offsetof(request_header, payload) == 48 && offsetof(response_header, payload) == 48);
static_assert(offsetof(request_header, payload) % 16 == 0, "payload_alignment holds inline as well");
static_assert(sizeof(request_words) <= page_bytes && sizeof(response_words) <= page_bytes);
static_assert(sizeof(crash_record) <= page_bytes / 2 && sizeof(refusal_record) <= page_bytes / 2);
static_assert(sizeof(verdict) <= page_bytes && sizeof(supervisor_words) <= page_bytes);
static_assert(sizeof(supervisor_lane) == 3 * page_bytes);
static_assert(request_layout::arena % page_bytes == 0 && response_layout::arena % page_bytes == 0);
static_assert(sizeof(express) + sizeof(word64) <= 2 * line_bytes, "beside the word that publishes it");
static_assert(express::payload_bytes % sizeof(word64) == 0 && sizeof(express_place) <= express::payload_bytes);
static_assert(offsetof(request_words, newest) == 8 && offsetof(response_words, newest) == 8);
static_assert(offsetof(request_words, posted) == 0 && offsetof(request_words, taken) == 128);
static_assert(offsetof(request_words, recall) == 256 && offsetof(request_words, kill_at_ns) == 384);
static_assert(offsetof(response_words, done) == 0 && offsetof(response_words, started) == 128);
static_assert(offsetof(response_words, ready_epoch) == 256);
static_assert(sizeof(host_control) <= page_bytes && sizeof(supervisor_control) <= page_bytes);
static_assert(std::is_standard_layout_v<request_header> && std::is_standard_layout_v<response_header>);
static_assert(std::is_standard_layout_v<request_words> && std::is_standard_layout_v<response_words>);
static_assert(std::is_trivially_copyable_v<verdict>);
static_assert(slots_per_lane == 64, "the bitsets are one word");

/// Folds the sizes in, so that two builds that disagree refuse each other instead of misreading.
inline constexpr std::uint64_t format_word = [] {
  std::uint64_t hash = 0x53454c5641474531ULL;  // "SELVAGE1"
  for (const std::uint64_t size :
       {sizeof(segment_header), sizeof(host_control), sizeof(supervisor_control), sizeof(supervisor_lane),
        sizeof(verdict), sizeof(request_words), sizeof(request_header), sizeof(response_words), sizeof(response_header),
        sizeof(crash_record), sizeof(refusal_record), sizeof(express), inline_payload_bytes, stderr_tail_bytes,
        request_layout::arena, response_layout::arena}) {
    hash = (hash ^ size) * 0x100000001b3ULL;
  }
  return hash;
}();

}  // namespace selvage::shm

#pragma once
// Which call of a lane is late, and when to look again. Pure: one look at the lane's words in, a judgement out; all
// that is remembered between looks is private memory, which no worker can write.
//
// Called by: ward.cpp. Never: reads shared memory (lane_look.cpp does), a clock, or kills.
//
// A limit counts from when the call starts to run (DESIGN D5):
//   started    start = the worker's stamp, clamped to [posted, now] at the first look that sees it; later stamps of the
//              same call are not read again, so that a liar gains at most one limit. D5 would also let the lane's
//              previous completion be the lower bound: an early stamp only brings the liar's own end nearer, and a
//              completion is a worker's word as well
//   waiting    behind another call that runs: not charged; look again a limit later, for it may start meanwhile
//   waiting    although nothing runs: an honest worker starts it within microseconds. The oldest is charged from the
//              first look at or after posted + limit; completions of other calls void the charge, for it may not have
//              been the oldest after all, at most as often as there are slots ahead of it
// An abort grace (kill_at_ns, written by the host) counts for any call in flight.
//
// Processor time counts from the same moments: from the worker's own stamp where the call was started, which may not
// lie ahead of what the process has used at the first look that sees it; from the charge where it was charged. While
// it waits, a call is looked at again once it could have used up its time on every core.

#include <array>
#include <cstdint>
#include <optional>

#include "shm/layout.hpp"

namespace selvage::supervisor {

struct call_look {
  std::uint64_t call_id = 0;
  std::uint64_t posted_at_ns = 0;
  std::uint64_t limit_ns = 0;       ///< 0: none
  std::uint64_t started_at_ns = 0;  ///< the worker's word
  std::uint64_t kill_at_ns = 0;     ///< 0: never
};

/// What one look at a lane found. `calls` is filled in where `known` has a bit.
struct lane_look {
  std::uint64_t in_flight = 0;  ///< posted and not done
  std::uint64_t started = 0;    ///< of those: the worker says that it runs them
  std::uint64_t known = 0;      ///< of those in flight: the header was not rewritten while it was read
  std::uint64_t done = 0;       ///< the whole word: it changes when a call is finished
  std::uint64_t cpu_ns = 0;     ///< the worker's word: processor time used when the last call was started
  std::uint64_t untaken = 0;    ///< done by the worker's word, not taken by the host, and with a limit
  std::array<call_look, shm::slots_per_lane> calls;
};

/// What the calls of a lane may use of the processors, and what its worker has used at the time of the look.
struct processor_time {
  std::uint64_t limit_ns = 0;  ///< 0: none
  unsigned cores = 1;          ///< on which threads of the worker can run at once
  std::uint64_t used_ns = 0;

  /// No call can have used up its time earlier after its start.
  [[nodiscard]] std::uint64_t shortest_ns() const noexcept {
    return limit_ns == 0 ? ~std::uint64_t{0} : limit_ns / cores;
  }
};

struct late_call {
  unsigned slot = 0;
  std::uint64_t call_id = 0;
  std::uint64_t due_ns = 0;
  shm::verdict_reason reason = shm::verdict_reason::none;  ///< timed_out, aborted or cpu_limit
  std::uint64_t cpu_used_ns = 0;                           ///< for cpu_limit
};

struct outlook {
  std::uint64_t next_look_ns;     ///< never_ns: nothing can become late before another call is posted
  std::optional<late_call> late;  ///< the one that was due first
};

class lane_deadlines {
 public:
  /// Requires: `look` was taken at or before `now_ns`, `cpu` after the look, all of the present epoch.
  [[nodiscard]] outlook judge(const lane_look& look, std::uint64_t now_ns, const processor_time& cpu = {}) noexcept;
  /// A new worker: nothing is remembered.
  void forget() noexcept { seen_ = {}; }

 private:
  struct memory {
    std::uint64_t call_id = 0;
    std::uint64_t posted_at_ns = 0;
    std::uint64_t start_ns = 0;     // 0: neither started nor charged
    std::uint64_t charge_done = 0;  // the done word when it was charged
    std::uint64_t cpu_base_ns = 0;  // processor time used at start_ns
    std::uint8_t charges = 0;
    bool fixed = false;  // start_ns holds for this call
  };

  /// It runs: from the stamp, or from the charge where it was charged with good reason.
  static void fix_start(memory& own, const call_look& call, const lane_look& look, std::uint64_t now_ns,
                        const processor_time& cpu) noexcept;
  /// It is next and should be running: from its limit on, it is treated as if it were.
  static void charge(memory& own, const call_look& call, std::uint64_t done, std::uint64_t now_ns,
                     const processor_time& cpu) noexcept;

  std::array<memory, shm::slots_per_lane> seen_{};
};

}  // namespace selvage::supervisor

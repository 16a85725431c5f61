#pragma once
// The lane protocol, seen from each side: 64 slots, six toggled bitsets, first in, first out.
//
// Called by: pool/ (host_lane), worker/ (worker_lane). Never: blocks, allocates, knows what a payload means, or
// believes a word of the other side further than this file says.
//
// A slot's life, as the host counts it (bits of the slot, p = posted, d = done, t = taken):
//   free       p == d == t
//   claimed    host-private: header and payload are being written
//   posted     p != d: the worker may start it          SYNC posted
//   started    the worker's word only; believed against it, never for it
//   done       p == d != t: header and payload are there  SYNC done
//   free again the host has copied the result: t toggles  SYNC taken
// recall and abort are toggled too: raised while the bit differs from the one that the request header carries.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "shm/bits.hpp"
#include "shm/doorbell.hpp"
#include "shm/express.hpp"
#include "shm/fence.hpp"
#include "shm/layout.hpp"

namespace selvage::shm {

/// Addresses of one lane in this process. The views below borrow them.
struct request_view {
  request_words* words;
  request_header* headers;
  std::byte* arena;
};
struct response_view {
  response_words* words;
  response_header* headers;
  crash_record* crash;
  refusal_record* refusal;
  std::byte* arena;
};

[[nodiscard]] inline request_view request_at(std::byte* region) noexcept {
  return {reinterpret_cast<request_words*>(region + request_layout::words),
          reinterpret_cast<request_header*>(region + request_layout::headers), region + request_layout::arena};
}
[[nodiscard]] inline response_view response_at(std::byte* region) noexcept {
  return {reinterpret_cast<response_words*>(region + response_layout::words),
          reinterpret_cast<response_header*>(region + response_layout::headers),
          reinterpret_cast<crash_record*>(region + response_layout::crash),
          reinterpret_cast<refusal_record*>(region + response_layout::refusal), region + response_layout::arena};
}

/// What a worker needs of a call in order to run it, wherever it was read.
struct taken_call {
  std::uint64_t call_id;
  std::uint32_t soft_limit;
  std::uint16_t task;
  std::uint8_t form;
  std::uint8_t flags;
  const std::byte* payload;  ///< until the call is answered
  std::uint64_t length;
};

/// The host's side of one lane. Its words are mirrored privately: what is in flight is never read back.
/// Thread-safety: claim .. publish, settle, free, recall and raise_abort under the lane's lock; finished() by the
/// collector at any time.
class host_lane {
 public:
  /// `mode`: asymmetric only where this process has registered for heavy fences.
  host_lane(request_view request, response_view response, fences mode = fences::symmetric) noexcept
      : request_(request), response_(response), fences_(mode) {}

  // -- claiming and posting

  /// The next slot in ring order. A slot that is still busy is passed over only while no posted call waits in between:
  /// a call never overtakes one that waits. Returns nothing where the ring is full, or has room only in front of such a
  /// call.
  [[nodiscard]] std::optional<unsigned> claim() noexcept {
    const std::uint64_t busy = busy_.load(std::memory_order_relaxed);  // relaxed: written under the lock that we hold
    if (test(busy | passed_, head_)) [[unlikely]]
      return claim_passing_over(busy);
    return occupy(busy, head_);
  }
  /// Gives back a slot that was claimed and not posted.
  void unclaim(unsigned slot) noexcept;
  [[nodiscard]] request_header& header(unsigned slot) noexcept { return request_.headers[slot]; }
  /// The base bits for request_header::flags of a slot about to be posted.
  [[nodiscard]] std::uint8_t base_flags(unsigned slot) const noexcept {
    return static_cast<std::uint8_t>((test(recall_, slot) ? request_flags::recall_base : 0) |
                                     (test(abort_, slot) ? request_flags::abort_base : 0));
  }
  /// Toggles `posted`: header and payload are complete. The caller then calls wake_worker, once for many slots.
  void publish(unsigned slot) noexcept;
  /// Returns how the worker sleeps, after a full fence: `no` needs nothing; `futex` was rung here; `event` is for the
  /// caller, who holds the eventfd.
  parked wake_worker() noexcept;

  /// A guess: it may be about to sleep, or waking up.
  [[nodiscard]] bool worker_sleeps() const noexcept {
    return response_.words->parked.load(std::memory_order_relaxed) != static_cast<std::uint32_t>(parked::no);
  }

  // -- settling

  /// Slots whose answer is there. SYNC done: acquires what the worker wrote before it toggled.
  [[nodiscard]] std::uint64_t finished() const noexcept { return answered(response_.words->done); }
  /// Slots whose `done` was toggled though no call is in flight there: forged. Requires: the lane's lock, a worker
  /// that was ready.
  [[nodiscard]] std::uint64_t forged() const noexcept {
    const std::uint64_t posted =
        posted_.load(std::memory_order_relaxed);  // relaxed, both: written under the lock that we hold
    return ~in_flight_.load(std::memory_order_relaxed) &
           (posted ^ response_.words->done.load(std::memory_order_relaxed));
  }
  [[nodiscard]] const response_header& response(unsigned slot) const noexcept { return response_.headers[slot]; }
  /// The slot's answer, where it is the newest: then its header need not be read. HOSTILE, as the header is.
  [[nodiscard]] bool newest_answer(unsigned slot, std::uint64_t call_id, express_copy& answer,
                                   express_payload& payload) const noexcept {
    return read(response_.words->newest, call_id, answer, payload) && answer.shape.slot == slot;
  }
  /// The caller spins on finished().
  void prefetch_newest() const noexcept { prefetch_rest(response_.words->newest); }
  /// The caller will read these answers.
  void fetch(std::uint64_t finished) const noexcept {
    for_each_from(finished, head_, [&](unsigned slot) { prefetch_whole(response_.headers[slot]); });
  }
  [[nodiscard]] const std::byte* response_arena() const noexcept { return response_.arena; }
  /// The answer no longer counts as in flight; its slot and arena bytes stay the worker's until free().
  void settle(unsigned slot) noexcept {
    in_flight_.store(in_flight_.load(std::memory_order_relaxed) & ~bit(slot), std::memory_order_relaxed);
  }
  /// Toggles `taken`: the slot is free, without a kill time, and the worker may reuse its arena bytes.
  void free(unsigned slot) noexcept;

  // -- taking back

  /// Raises recall, and says what is known then: true, the worker will not run it, whatever it does next; false, it has
  /// started it, or may have, and the answer will tell whether it ran. Raising it again changes nothing. Requires: a
  /// call that the caller has not freed; the collector may settle it meanwhile.
  bool recall(unsigned slot) noexcept;
  /// Slots in flight that the worker has started (its word: a hint). SYNC started: acquires the start stamps.
  [[nodiscard]] std::uint64_t started() const noexcept { return answered(response_.words->started); }
  /// Raising it again changes nothing. Requires: as recall.
  void raise_abort(unsigned slot) noexcept;
  /// The supervisor kills the worker then, unless the call was freed before.
  void kill_at(unsigned slot, std::uint64_t when_ns) noexcept {
    request_.words->kill_at_ns[slot].store(when_ns, std::memory_order_release);  // SYNC kill_at: read by the supervisor
  }

  // -- epochs

  /// Zeroes the host's words: nothing of the dead epoch is left in them. Requires: the worker's tree is reaped, its
  /// calls are settled or moved.
  void reset() noexcept;
  /// SYNC open_epoch: the worker of `epoch` may touch its response region.
  void open(std::uint64_t epoch) noexcept;
  [[nodiscard]] std::uint64_t open_epoch() const noexcept {
    return open_epoch_.load(std::memory_order_relaxed);  // relaxed: written under the lane's lock
  }
  /// The worker of the open epoch is ready. A guess without the lane's lock: an epoch may just be opened. SYNC ready
  [[nodiscard]] bool ready() const noexcept {
    const std::uint64_t epoch = open_epoch();
    return epoch != 0 && response_.words->ready_epoch.load(std::memory_order_acquire) == epoch &&
           // relaxed, both: written before ready_epoch; under the lane's lock
           response_.words->ready_token.load(std::memory_order_relaxed) == open_token_.load(std::memory_order_relaxed);
  }
  void accept_ready() noexcept { request_.words->accepted_epoch.store(open_epoch(), std::memory_order_release); }
  /// Of the worker that is ready: its word.
  [[nodiscard]] measures in_force() const noexcept {
    return measures::of(response_.words->in_force.load(std::memory_order_relaxed));  // relaxed: acquired by ready()
  }
  void request_retire(recycle_reason why) noexcept {
    request_.words->retire_reason.store(static_cast<std::uint32_t>(why), std::memory_order_relaxed);
    request_.words->retire_request.store(open_epoch(), std::memory_order_release);  // SYNC retire_request: the reason
  }

  // -- what the collector sleeps on

  void set_parked(parked how) noexcept {
    request_.words->parked.store(static_cast<std::uint32_t>(how), std::memory_order_relaxed);  // fenced by the caller
  }
  /// Slots in flight whose answers need not ring: the host looks at them in time by itself. Means something while it is
  /// parked.
  void set_quiet(std::uint64_t slots) noexcept {
    if (slots == quiet()) return;
    quiet_.store(slots, std::memory_order_relaxed);  // relaxed: under the lane's lock, but for a collector's own look
    request_.words->quiet.store(slots, std::memory_order_relaxed);  // fenced by the caller, as `parked` is
  }
  [[nodiscard]] std::uint64_t quiet() const noexcept { return quiet_.load(std::memory_order_relaxed); }
  /// For one lane alone: as worker_lane::prepare_to_sleep. A collector sets every lane's word, then fences once.
  [[nodiscard]] bool prepare_to_sleep(parked how) noexcept {
    set_parked(how);
    return heavy_fence(fences_);  // SYNC parked: against worker_lane::wake_host
  }
  [[nodiscard]] watched_word doorbell() const noexcept {
    // acquire: the look for work that follows stays behind it
    return {&response_.words->doorbell, response_.words->doorbell.load(std::memory_order_acquire)};
  }

  [[nodiscard]] std::uint64_t in_flight() const noexcept { return in_flight_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t busy() const noexcept { return busy_.load(std::memory_order_relaxed); }
  /// How many slots are busy. Under the lane's lock.
  [[nodiscard]] unsigned busy_count() const noexcept { return busy_count_; }
  [[nodiscard]] unsigned oldest_from() const noexcept { return head_; }
  [[nodiscard]] const crash_record& crash() const noexcept { return *response_.crash; }
  [[nodiscard]] const refusal_record& refusal() const noexcept { return *response_.refusal; }
  [[nodiscard]] request_view request() const noexcept { return request_; }
  [[nodiscard]] word32& worker_doorbell() noexcept { return request_.words->doorbell; }

 private:
  // Slots in flight whose bit the worker has toggled. What is in flight is read first: a slot that is posted meanwhile
  // would otherwise be compared by its former value of `posted`, and seem to be answered.
  [[nodiscard]] std::uint64_t answered(const word64& toggled) const noexcept {
    const std::uint64_t in_flight = in_flight_.load(std::memory_order_acquire);
    const std::uint64_t posted = posted_.load(std::memory_order_relaxed);  // relaxed: in_flight_ acquired it
    return in_flight & ~(posted ^ toggled.load(std::memory_order_acquire));
  }
  [[nodiscard]] std::optional<unsigned> claim_passing_over(std::uint64_t busy) noexcept;
  unsigned occupy(std::uint64_t busy, unsigned slot) noexcept {
    head_ = (slot + 1) & 63U;
    busy_.store(busy | bit(slot), std::memory_order_relaxed);
    ++busy_count_;
    return slot;
  }
  void vacate(unsigned slot) noexcept {
    busy_.store(busy_.load(std::memory_order_relaxed) & ~bit(slot), std::memory_order_relaxed);
    --busy_count_;
  }
  void publish_express(unsigned slot) noexcept;
  // Toggles the slot's bit unless it differs from `base_flag` of the slot's header already.
  void raise(word64& shared, std::uint64_t& mirror, unsigned slot, std::uint8_t base_flag) noexcept;

  request_view request_;
  response_view response_;
  fences fences_;
  // All private. in_flight_: posted and not settled; acquire/release within this process hands over the call records.
  word64 in_flight_{0};
  word64 posted_{0};         // mirror of request_words::posted: written under the lane's lock, read by the collector
  word64 busy_{0};           // claimed and not freed: written under the lane's lock
  std::uint64_t posts_ = 0;  // of this epoch
  std::uint64_t taken_ = 0;
  std::uint64_t recall_ = 0;
  std::uint64_t abort_ = 0;
  word64 quiet_{0};
  std::uint64_t passed_ = 0;  // gone over by the head without a post: the worker's cursor may still be before them
  word64 open_epoch_{0};
  word64 open_token_{0};
  unsigned head_ = 0;
  unsigned busy_count_ = 0;
};

/// The worker's side of one lane. One thread only.
class worker_lane {
 public:
  worker_lane(request_view request, response_view response) noexcept : request_(request), response_(response) {}

  /// Zeroes the worker's words and says that it is ready. Requires: open_epoch() == epoch. SYNC ready
  void open(std::uint64_t epoch, const measures& in_force = {}) noexcept;
  [[nodiscard]] std::uint64_t open_epoch() const noexcept {
    return request_.words->open_epoch.load(std::memory_order_acquire);  // SYNC open_epoch
  }

  /// Slots posted and not started, as of now. SYNC posted: acquires header and payload.
  [[nodiscard]] std::uint64_t pending() const noexcept {
    return request_.words->posted.load(std::memory_order_acquire) ^ started_;
  }
  /// The caller spins on pending().
  void prefetch_newest() const noexcept { prefetch_rest(request_.words->newest); }
  /// The next of `pending` in ring order; moves the cursor behind it. Requires: pending != 0.
  [[nodiscard]] unsigned next(std::uint64_t pending) noexcept {
    const unsigned slot = first_from(pending, cursor_);
    cursor_ = (slot + 1) & 63U;
    return slot;
  }
  [[nodiscard]] const request_header& request(unsigned slot) const noexcept { return request_.headers[slot]; }
  /// What was posted in a slot that next() gave. `alone`: nothing else was pending.
  [[nodiscard]] taken_call take(unsigned slot, bool alone) noexcept;
  /// The caller will ask for taken() soon.
  void prefetch_taken() const noexcept { __builtin_prefetch(&request_.words->taken); }
  /// The caller will take this slot next.
  void fetch(unsigned slot) const noexcept { prefetch_whole(request_.headers[slot]); }
  [[nodiscard]] unsigned following(std::uint64_t pending) const noexcept { return first_from(pending, cursor_); }

  /// Stamps and toggles `started`, then looks at `recall`: false, it was recalled and must not run: finish it as
  /// skipped. `flags`: of the call that was taken.
  [[nodiscard]] bool start(unsigned slot, std::uint8_t flags, std::uint64_t now_ns) noexcept;
  /// The same where only its header was looked at.
  [[nodiscard]] bool start(unsigned slot, std::uint64_t now_ns) noexcept {
    return start(slot, request_.headers[slot].flags, now_ns);
  }
  /// Before start(), where processor time is limited.
  void stamp_processor_time(std::uint64_t used_ns) noexcept {
    response_.words->cpu_ns.store(used_ns, std::memory_order_relaxed);  // relaxed: published by `started`
  }
  [[nodiscard]] response_header& response(unsigned slot) noexcept { return response_.headers[slot]; }
  [[nodiscard]] std::byte* response_arena() noexcept { return response_.arena; }
  /// Toggles `done`: header and payload are complete. SYNC done. `alone`: the host is likely to wait for just this one.
  void finish(unsigned slot, bool alone = false) noexcept;
  /// Rings the host where it sleeps and wants to be woken for one of these. `answered`: slots; all of them stand for
  /// other news. Fences first, unless `fenced`: start() of the next call has just done so. Returns: it was rung.
  bool wake_host(std::uint64_t answered, bool fenced) noexcept;

  [[nodiscard]] bool abort_raised(unsigned slot, std::uint8_t flags) const noexcept {
    return test(request_.words->abort.load(std::memory_order_relaxed), slot) !=
           ((flags & request_flags::abort_base) != 0);
  }
  /// Slots without an answer that the host may still read, and without a call that runs: their arena bytes are free.
  /// SYNC taken
  [[nodiscard]] std::uint64_t taken() const noexcept {
    return ~(request_.words->taken.load(std::memory_order_acquire) ^ done_) & ~(started_ ^ done_);
  }

  /// Says how this worker is about to sleep, and fences. The caller then looks again, and sleeps if there is still
  /// nothing.
  /// Returns: false where the host may not see it in time: then the sleep must be a short one.
  [[nodiscard]] bool prepare_to_sleep(parked how) noexcept {
    set_parked(how);
    return heavy_fence(host_fences_);  // SYNC parked: against host_lane::wake_worker
  }
  void set_awake() noexcept { set_parked(parked::no); }
  void set_parked(parked how) noexcept {
    response_.words->parked.store(static_cast<std::uint32_t>(how), std::memory_order_relaxed);  // fenced by the caller
  }
  [[nodiscard]] watched_word doorbell() const noexcept {
    // acquire: the look for work that follows stays behind it
    return {&request_.words->doorbell, request_.words->doorbell.load(std::memory_order_acquire)};
  }
  [[nodiscard]] crash_record& crash() noexcept { return *response_.crash; }
  [[nodiscard]] refusal_record& refusal() noexcept { return *response_.refusal; }

 private:
  request_view request_;
  response_view response_;
  fences fences_ = fences::symmetric;       // of this worker: completed by the host's heavy fences
  fences host_fences_ = fences::symmetric;  // of the host
  std::uint64_t started_ = 0;
  std::uint64_t done_ = 0;
  std::uint64_t starts_ = 0;  // of this epoch
  unsigned cursor_ = 0;
  std::array<express_payload, slots_per_lane> express_payloads_;  // by slot
};

}  // namespace selvage::shm

// The two sides of the lane protocol: see lane.hpp.

#include "shm/lane.hpp"

#include <sys/random.h>

#include <atomic>

#include "base/syscalls.hpp"

namespace selvage::shm {
namespace {

// Cannot fail: creating the segment has used it already.
std::uint64_t unpredictable_number() noexcept {
  std::uint64_t number = 0;
  (void)base::retry_eintr([&] { return ::getrandom(&number, sizeof number, 0); });
  return number;
}

/// Writes what a slot's header says, with its payload or the place of that.
template <class Header>
void copy_header(express& line, std::uint64_t ticket, std::uint64_t number, unsigned slot, std::uint16_t task,
                 const Header& header, bool in_arena) noexcept {
  const express_shape shape = {.slot = static_cast<std::uint8_t>(slot),
                               .form = header.form,
                               .flags = header.flags,
                               .length = static_cast<std::uint8_t>(header.length),
                               .task = task};
  if (in_arena) {
    write(line, ticket, shape, number, express_place{header.offset, header.length});
  } else if (header.length <= express::payload_bytes) {
    write(line, ticket, shape, number, header.payload + header.offset);
  }
}

}  // namespace

// ---- host ----------------------------------------------------------------------------------------------------------

std::optional<unsigned> host_lane::claim_passing_over(std::uint64_t busy) noexcept {
  if (busy == ~std::uint64_t{0}) return std::nullopt;
  const unsigned slot = first_from(~busy, head_);
  // The worker takes what waits in ring order from its cursor, which is behind the last call that it started. A liar
  // only reorders its own lane.
  if (const std::uint64_t waiting = in_flight_.load(std::memory_order_relaxed) & ~started(); waiting != 0) {
    const unsigned oldest = first_from(waiting, head_);
    if (distance(head_, oldest) < distance(head_, slot)) return std::nullopt;  // behind it now, before it a lap later
    if (first_from(~passed_, slot) == oldest) return std::nullopt;             // the cursor may be before both
  }
  for (unsigned passed = head_; passed != slot; passed = (passed + 1) & 63U) passed_ |= bit(passed);
  passed_ &= ~bit(slot);
  return occupy(busy, slot);
}

void host_lane::unclaim(unsigned slot) noexcept {
  vacate(slot);
  if (head_ == ((slot + 1) & 63U)) {
    head_ = slot;
  } else {
    passed_ |= bit(slot);
  }
}

void host_lane::publish(unsigned slot) noexcept {
  const std::uint64_t posted = posted_.load(std::memory_order_relaxed) ^ bit(slot);
  posted_.store(posted, std::memory_order_relaxed);  // relaxed: in_flight_ releases it
  // not a read-modify-write: settle() is under the lock too
  const std::uint64_t in_flight = in_flight_.load(std::memory_order_relaxed);
  in_flight_.store(in_flight | bit(slot), std::memory_order_release);
  ++posts_;
  if (in_flight == 0) publish_express(slot);
  request_.words->posted.store(posted, std::memory_order_release);  // SYNC posted: publishes header and payload
}

// A worker that has nothing else to do is likely to look at `posted`.
void host_lane::publish_express(unsigned slot) noexcept {
  const request_header& header = request_.headers[slot];
  if (header.soft_limit != 0) return;
  const std::uint64_t id = header.call_id.load(std::memory_order_relaxed);  // relaxed: we wrote it
  copy_header(request_.words->newest, posts_, id, slot, header.task, header,
              (header.flags & request_flags::in_arena) != 0);
}

parked host_lane::wake_worker() noexcept {
  light_fence(fences_);  // SYNC parked: against the worker's heavy fence before it sleeps
  const auto how = static_cast<parked>(response_.words->parked.load(std::memory_order_relaxed));
  if (how == parked::futex) ring(request_.words->doorbell);
  return how;
}

void host_lane::free(unsigned slot) noexcept {
  word64& kill_at = request_.words->kill_at_ns[slot];
  // relaxed, both: only we write it, and the slot's next `posted` publishes it
  if (kill_at.load(std::memory_order_relaxed) != 0) kill_at.store(0, std::memory_order_relaxed);
  taken_ ^= bit(slot);
  request_.words->taken.store(taken_, std::memory_order_release);  // SYNC taken: our reads of the payload are over
  vacate(slot);
  prefetch_to_write(&request_.headers[slot]);  // the worker has read it: it is ours again when the slot's turn comes
}

bool host_lane::recall(unsigned slot) noexcept {
  raise(request_.words->recall, recall_, slot, request_flags::recall_base);
  // Without it nobody knows whether the worker sees it in time. Where it does, it skips the call.
  if (!heavy_fence(fences_)) return false;  // SYNC recall: against started in worker_lane::start
  // Not started(): of a call that the collector settles just now it would say no.
  const std::uint64_t started = response_.words->started.load(std::memory_order_acquire);
  return test(posted_.load(std::memory_order_relaxed) ^ started, slot);  // relaxed: written under the lock that we hold
}

void host_lane::raise_abort(unsigned slot) noexcept {
  raise(request_.words->abort, abort_, slot, request_flags::abort_base);
}

void host_lane::raise(word64& shared, std::uint64_t& mirror, unsigned slot, std::uint8_t base_flag) noexcept {
  const bool base = (request_.headers[slot].flags & base_flag) != 0;
  if (test(mirror, slot) != base) return;
  mirror ^= bit(slot);
  shared.store(mirror, std::memory_order_release);  // whoever sees it raised sees why
}

void host_lane::reset() noexcept {
  posted_.store(0, std::memory_order_relaxed);
  in_flight_.store(0, std::memory_order_relaxed);
  busy_.store(0, std::memory_order_relaxed);
  quiet_.store(0, std::memory_order_relaxed);
  taken_ = recall_ = abort_ = passed_ = posts_ = 0;
  head_ = busy_count_ = 0;
  request_words& words = *request_.words;
  for (word64* shared : {&words.posted, &words.newest.ticket, &words.taken, &words.recall, &words.abort,
                         &words.retire_request, &words.quiet}) {
    shared->store(0, std::memory_order_relaxed);  // relaxed: open() publishes them
  }
  for (word64& when : words.kill_at_ns) when.store(0, std::memory_order_relaxed);
}

void host_lane::open(std::uint64_t epoch) noexcept {
  const std::uint64_t token = unpredictable_number();
  // relaxed, all four: under the lane's lock; open_epoch publishes the words
  open_epoch_.store(epoch, std::memory_order_relaxed);
  open_token_.store(token, std::memory_order_relaxed);
  request_.words->open_token.store(token, std::memory_order_relaxed);
  request_.words->fences.store(static_cast<std::uint32_t>(fences_), std::memory_order_relaxed);
  request_.words->open_epoch.store(epoch, std::memory_order_release);  // SYNC open_epoch
  ring(request_.words->doorbell);
}

// ---- worker --------------------------------------------------------------------------------------------------------

void worker_lane::open(std::uint64_t epoch, const measures& in_force) noexcept {
  response_words& words = *response_.words;
  words.done.store(0, std::memory_order_relaxed);
  words.newest.ticket.store(0, std::memory_order_relaxed);
  words.started.store(0, std::memory_order_relaxed);
  words.cpu_ns.store(0, std::memory_order_relaxed);
  words.in_force.store(in_force.packed(), std::memory_order_relaxed);
  words.parked.store(0, std::memory_order_relaxed);
  response_.crash->kind.store(0, std::memory_order_relaxed);
  response_.refusal->count.store(0, std::memory_order_relaxed);
  response_.refusal->epoch = 0;
  started_ = done_ = starts_ = 0;
  cursor_ = 0;
  host_fences_ = static_cast<fences>(request_.words->fences.load(std::memory_order_relaxed));  // relaxed: as open_token
  fences_ = host_fences_ == fences::asymmetric ? register_for_heavy_fences() : fences::symmetric;
  // relaxed: open_epoch, which the caller has acquired, published the one; ready_epoch publishes the other
  words.ready_token.store(request_.words->open_token.load(std::memory_order_relaxed), std::memory_order_relaxed);
  words.ready_epoch.store(epoch, std::memory_order_release);  // SYNC ready
  wake_host(every_slot, false);
}

taken_call worker_lane::take(unsigned slot, bool alone) noexcept {
  express_payload& payload = express_payloads_[slot];
  // Every post is started once: if all but one are, and the copy is of the last post, it is of this slot.
  if (express_copy call; alone && read(request_.words->newest, starts_ + 1, call, payload)) {
    const express_place there = place_of(call, payload);
    return {.call_id = call.number,
            .soft_limit = 0,
            .task = call.shape.task,
            .form = call.shape.form,
            .flags = call.shape.flags,
            .payload = (call.shape.placed ? request_.arena : payload.bytes.data()) + there.offset,
            .length = there.length};
  }
  const request_header& header = request_.headers[slot];
  const bool in_arena = (header.flags & request_flags::in_arena) != 0;
  return {.call_id = header.call_id.load(std::memory_order_relaxed),  // relaxed: published by `posted`
          .soft_limit = header.soft_limit,
          .task = header.task,
          .form = header.form,
          .flags = header.flags,
          .payload = (in_arena ? request_.arena : header.payload) + header.offset,
          .length = header.length};
}

bool worker_lane::start(unsigned slot, std::uint8_t flags, std::uint64_t now_ns) noexcept {
  ++starts_;
  response_.headers[slot].started_at_ns.store(now_ns, std::memory_order_relaxed);
  started_ ^= bit(slot);
  response_.words->started.store(started_, std::memory_order_release);  // SYNC started: publishes the stamp
  light_fence(fences_);  // SYNC recall: against started in host_lane::recall
  const std::uint64_t recall = request_.words->recall.load(std::memory_order_relaxed);
  return test(recall, slot) == ((flags & request_flags::recall_base) != 0);
}

void worker_lane::finish(unsigned slot, bool alone) noexcept {
  const response_header& header = response_.headers[slot];
  if (alone && header.status == static_cast<std::uint8_t>(response_status::ok))
    copy_header(response_.words->newest, header.call_id, header.service_ns, slot, 0, header, header.in_arena != 0);
  done_ ^= bit(slot);
  response_.words->done.store(done_, std::memory_order_release);  // SYNC done: publishes header and payload
  prefetch_to_write(&response_.headers[(slot + 1) & 63U]);        // the host has read what was there
}

bool worker_lane::wake_host(std::uint64_t answered, bool fenced) noexcept {
  // SYNC parked: against the collector's heavy fence before it sleeps, or its plan to look again soon
  if (!fenced) light_fence(fences_);
  if (request_.words->parked.load(std::memory_order_relaxed) == 0) return false;
  // relaxed: where it is older than `parked`, the host will see these answers before it sleeps, or as it has planned
  if ((answered & ~request_.words->quiet.load(std::memory_order_relaxed)) == 0) return false;
  ring(response_.words->doorbell);
  return true;
}

}  // namespace selvage::shm

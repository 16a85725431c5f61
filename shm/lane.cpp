#include "shm/lane.hpp"

#include <atomic>

namespace selvage::shm {

// ---- host ----------------------------------------------------------------------------------------------------------

std::optional<unsigned> host_lane::claim() noexcept {
  const std::uint64_t busy = busy_.load(std::memory_order_relaxed);  // relaxed: written under the lock that we hold
  unsigned slot = head_;
  if (test(busy, slot)) [[unlikely]] {
    if (busy == ~std::uint64_t{0}) return std::nullopt;
    slot = first_from(~busy, head_);
    // Passing over a call that waits would let this one overtake it. A liar only reorders its own lane.
    const std::uint64_t waiting = in_flight_.load(std::memory_order_relaxed) & ~started();
    if (waiting != 0 && distance(head_, first_from(waiting, head_)) < distance(head_, slot)) return std::nullopt;
  }
  head_ = (slot + 1) & 63U;
  busy_.store(busy | bit(slot), std::memory_order_relaxed);
  return slot;
}

void host_lane::unclaim(unsigned slot) noexcept {
  busy_.store(busy_.load(std::memory_order_relaxed) & ~bit(slot), std::memory_order_relaxed);
  if (head_ == ((slot + 1) & 63U)) head_ = slot;
}

void host_lane::publish(unsigned slot) noexcept {
  const std::uint64_t posted = posted_.load(std::memory_order_relaxed) ^ bit(slot);
  posted_.store(posted, std::memory_order_relaxed);  // relaxed: in_flight_ releases it
  in_flight_.fetch_or(bit(slot), std::memory_order_release);
  request_.words->posted.store(posted, std::memory_order_release);  // SYNC posted: publishes header and payload
}

parked host_lane::wake_worker() noexcept {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const auto how = static_cast<parked>(response_.words->parked.load(std::memory_order_relaxed));
  if (how == parked::futex) ring(request_.words->doorbell);
  return how;
}

void host_lane::free(unsigned slot) noexcept {
  taken_ ^= bit(slot);
  request_.words->taken.store(taken_, std::memory_order_release);  // SYNC taken: our reads of the payload are over
  busy_.store(busy_.load(std::memory_order_relaxed) & ~bit(slot), std::memory_order_relaxed);
}

bool host_lane::recall(unsigned slot) noexcept {
  recall_ ^= bit(slot);
  request_.words->recall.store(recall_, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);  // SYNC recall: against started in worker_lane::start
  return !test(started(), slot);
}

void host_lane::raise_abort(unsigned slot) noexcept {
  abort_ ^= bit(slot);
  request_.words->abort.store(abort_, std::memory_order_release);
}

void host_lane::reset() noexcept {
  posted_.store(0, std::memory_order_relaxed);
  in_flight_.store(0, std::memory_order_relaxed);
  busy_.store(0, std::memory_order_relaxed);
  taken_ = recall_ = abort_ = 0;
  head_ = 0;
  request_words& words = *request_.words;
  for (word64* shared : {&words.posted, &words.taken, &words.recall, &words.abort, &words.retire_request}) {
    shared->store(0, std::memory_order_relaxed);  // relaxed: open() publishes them
  }
  for (word64& when : words.kill_at_ns) when.store(0, std::memory_order_relaxed);
}

void host_lane::open(std::uint64_t epoch) noexcept {
  open_epoch_ = epoch;
  request_.words->open_epoch.store(epoch, std::memory_order_release);  // SYNC open_epoch
  ring(request_.words->doorbell);
}

// ---- worker --------------------------------------------------------------------------------------------------------

void worker_lane::open(std::uint64_t epoch) noexcept {
  response_words& words = *response_.words;
  words.done.store(0, std::memory_order_relaxed);
  words.started.store(0, std::memory_order_relaxed);
  words.parked.store(0, std::memory_order_relaxed);
  response_.crash->kind.store(0, std::memory_order_relaxed);
  started_ = done_ = 0;
  cursor_ = 0;
  words.ready_epoch.store(epoch, std::memory_order_release);  // SYNC ready
  wake_host(false);
}

bool worker_lane::start(unsigned slot, std::uint64_t now_ns) noexcept {
  response_.headers[slot].started_at_ns.store(now_ns, std::memory_order_relaxed);
  started_ ^= bit(slot);
  response_.words->started.store(started_, std::memory_order_release);  // SYNC started: publishes the stamp
  std::atomic_thread_fence(std::memory_order_seq_cst);                  // SYNC recall: against started in host_lane::recall
  const std::uint64_t recall = request_.words->recall.load(std::memory_order_relaxed);
  return test(recall, slot) == ((request_.headers[slot].flags & request_flags::recall_base) != 0);
}

void worker_lane::finish(unsigned slot) noexcept {
  done_ ^= bit(slot);
  response_.words->done.store(done_, std::memory_order_release);  // SYNC done: publishes header and payload
}

void worker_lane::wake_host(bool fenced) noexcept {
  if (!fenced) std::atomic_thread_fence(std::memory_order_seq_cst);
  if (request_.words->parked.load(std::memory_order_relaxed) != 0) ring(response_.words->doorbell);
}

}  // namespace selvage::shm

// Reads a lane's words and headers under the hands of their writers. Called by: ward.cpp. Never: retries for long.

#include "supervisor/lane_look.hpp"

#include <atomic>

#include "shm/bits.hpp"

namespace selvage::supervisor {
namespace {

struct slot_words {
  std::uint64_t in_flight;
  std::uint64_t started;
  std::uint64_t done;
  std::uint64_t untaken;
  std::uint64_t cpu_ns;
};

// posted != taken is the host's word that the slot is in use: the worker's bits alone cannot make a call.
slot_words read_words(const shm::request_words& host, const shm::response_words& worker) noexcept {
  const std::uint64_t started = worker.started.load(std::memory_order_acquire);  // SYNC started: for the stamp
  const std::uint64_t cpu_ns = worker.cpu_ns.load(std::memory_order_relaxed);    // relaxed: acquired with `started`
  const std::uint64_t done = worker.done.load(std::memory_order_acquire);        // SYNC done
  const std::uint64_t taken = host.taken.load(std::memory_order_acquire);        // SYNC taken
  const std::uint64_t posted = host.posted.load(std::memory_order_acquire);      // SYNC posted: for the header
  // a toggled bit that differs from `posted` has not been toggled for this call
  return {(posted ^ taken) & (posted ^ done), ~(posted ^ started), done, (posted ^ taken) & ~(posted ^ done), cpu_ns};
}

// False where the slot was reused meanwhile. The words are read between two reads of the call's id: ids never repeat,
// so the words and the fields belong to the call.
bool read_call(unsigned slot, const shm::request_view& request, const shm::response_view& response,
               lane_look& look) noexcept {
  const shm::request_header& header = request.headers[slot];
  call_look& call = look.calls[slot];
  // relaxed, as request_header says: the second read of call_id is the check
  call.call_id = header.call_id.load(std::memory_order_relaxed);
  call.posted_at_ns = header.posted_at_ns.load(std::memory_order_relaxed);
  call.limit_ns = header.limit_ns.load(std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_acquire);
  const slot_words words = read_words(*request.words, *response.words);
  call.started_at_ns = response.headers[slot].started_at_ns.load(std::memory_order_relaxed);  // relaxed: hostile anyway
  call.kill_at_ns = request.words->kill_at_ns[slot].load(std::memory_order_acquire);          // SYNC kill_at
  if (!shm::test(words.in_flight, slot)) {
    look.in_flight &= ~shm::bit(slot);
    return true;
  }
  if (header.call_id.load(std::memory_order_relaxed) != call.call_id) return false;
  look.known |= shm::bit(slot);
  if (shm::test(words.started, slot)) look.started |= shm::bit(slot);
  return true;
}

}  // namespace

lane_look look_at(const shm::request_view& request, const shm::response_view& response) noexcept {
  constexpr int tries = 3;
  const slot_words words = read_words(*request.words, *response.words);
  lane_look look;
  look.in_flight = words.in_flight;
  look.done = words.done;
  look.cpu_ns = words.cpu_ns;
  shm::for_each_from(words.untaken, 0, [&](unsigned slot) {
    // relaxed: a slot that is reused meanwhile costs a look
    if (request.headers[slot].limit_ns.load(std::memory_order_relaxed) != 0) look.untaken |= shm::bit(slot);
  });
  shm::for_each_from(words.in_flight, 0, [&](unsigned slot) {
    for (int i = 0; i < tries && !read_call(slot, request, response, look); ++i) {
    }
  });
  return look;
}

}  // namespace selvage::supervisor

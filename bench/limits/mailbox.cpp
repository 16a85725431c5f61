// The bare mailbox: what a lane would cost without futures, codec, supervision. See mailbox.hpp.

#include "mailbox.hpp"

#include <bit>
#include <new>
#include <stdexcept>

#include "timing.hpp"

namespace limits {
namespace {

struct alignas(128) header {
  std::uint64_t call_id;
  std::uint32_t task;
  std::uint32_t payload_bytes;
  std::int64_t payload;
};
static_assert(sizeof(header) == 128);

// What one side writes and the other reads.
struct region {
  alignas(2 * line_bytes) std::atomic<std::uint64_t> bits{0};      // posted, or done
  alignas(2 * line_bytes) std::atomic<std::uint32_t> doorbell{0};  // counts up
  std::atomic<std::uint32_t> parked{0};
  header headers[mailbox_64::slots];
};

constexpr std::uint64_t bit(std::uint64_t number) { return std::uint64_t{1} << (number % mailbox_64::slots); }

// Once a batch, after the bits of it: the fence orders them before the look at the parked word.
void ring_if_parked(region& mine, const region& theirs) noexcept {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (theirs.parked.load(std::memory_order_relaxed) == 0) return;
  mine.doorbell.fetch_add(1, std::memory_order_relaxed);  // relaxed: it carries nothing but the wake
  futex_wake(mine.doorbell);
}

constexpr std::int64_t run(std::int64_t argument) { return argument + 1; }

}  // namespace

struct mailbox_64::regions {
  region request;   // the caller writes
  region response;  // the peer writes
  gate open;
};

mailbox_64::mailbox_64(int peer_cpu)
    : memory_(sizeof(regions)), regions_(*new (memory_.data()) regions), peer_(peer_cpu, [this] { serve(regions_); }) {}

void mailbox_64::serve(regions& shared) noexcept {
  std::uint64_t done = 0;
  std::uint64_t next = 0;
  for (spinner spin;;) {
    shared.open.wait_until_open();
    while (shared.open.is_open()) {
      std::uint64_t ready = shared.request.bits.load(std::memory_order_acquire) ^ done;
      if (ready == 0) {
        spin.pause();
        continue;
      }
      for (; (ready & bit(next)) != 0; ++next) {
        const header& call = shared.request.headers[next % slots];
        header& reply = shared.response.headers[next % slots];
        reply.call_id = call.call_id;
        reply.task = call.task;
        reply.payload_bytes = sizeof reply.payload;
        reply.payload = run(call.payload);
        ready ^= bit(next);
        done ^= bit(next);
        shared.response.bits.store(done, std::memory_order_release);
      }
      ring_if_parked(shared.response, shared.request);
    }
  }
}

void mailbox_64::post() {
  header& call = regions_.request.headers[posted_ % slots];
  call.call_id = posted_;
  call.task = 1;
  call.payload_bytes = sizeof call.payload;
  call.payload = static_cast<std::int64_t>(posted_);
  posted_bits_ ^= bit(posted_);
  regions_.request.bits.store(posted_bits_, std::memory_order_release);
  ++posted_;
}

void mailbox_64::collect() {
  const std::uint64_t wanted = bit(collected_);
  if (((done_bits_ ^ posted_bits_) & wanted) != 0) {
    ring_if_parked(regions_.request, regions_.response);
    peer_.spin_until([&] {
      done_bits_ = regions_.response.bits.load(std::memory_order_acquire);
      return ((done_bits_ ^ posted_bits_) & wanted) == 0;
    });
  }
  const header& reply = regions_.response.headers[collected_ % slots];
  if (reply.call_id != collected_) throw std::logic_error("a reply came in the wrong slot");
  sum_ += static_cast<std::uint64_t>(reply.payload);
  ++collected_;
}

std::vector<double> mailbox_64::sample(std::size_t count) {
  const opened serving(regions_.open);
  const std::uint64_t first = posted_;
  sum_ = 0;
  for (unsigned i = 0; i < slots; ++i) post();
  const auto call = [this] {
    collect();
    post();
  };
  warm_up(500, call);
  std::vector<double> samples = time_batches(count, calls_per_sample, call);
  while (collected_ != posted_) collect();
  std::uint64_t expected = 0;
  for (std::uint64_t call = first; call != posted_; ++call) {
    expected += static_cast<std::uint64_t>(run(static_cast<std::int64_t>(call)));
  }
  if (sum_ != expected) throw std::logic_error("a result was wrong");
  return samples;
}

}  // namespace limits

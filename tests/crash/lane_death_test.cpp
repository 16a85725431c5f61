// Proves that a worker may be killed at any instruction of the protocol: the host settles what was finished, posts the
// rest again in the next epoch, and every call is settled once, with its own answer.

#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <memory>
#include <vector>

#include "shm/lane.hpp"
#include "tests/support/child.hpp"
#include "tests/support/lane_memory.hpp"
#include "tests/support/parking.hpp"

namespace {

using namespace selvage::shm;
using selvage::tests::child;
using selvage::tests::lane_memory;
using selvage::tests::random_source;
using selvage::tests::wait_for_work;
using selvage::tests::waits;

constexpr unsigned deaths = 300;
constexpr std::size_t arena_block = lane_memory::arena_bytes / slots_per_lane;

std::byte pattern_of(std::uint64_t call) { return static_cast<std::byte>(call * 31 + 7); }

// Answers every call with a block of the arena full of its pattern. Never returns: it is killed.
int serve(const lane_memory& memory, std::uint64_t epoch, random_source random) {
  worker_lane lane(memory.request(), memory.response());
  waits waiting;
  wait_for_work(
      lane, [&] { return static_cast<std::uint64_t>(lane.open_epoch() == epoch); }, random, waiting);
  lane.open(epoch);
  for (;;) {
    wait_for_work(
        lane, [&] { return lane.pending(); }, random, waiting);
    const unsigned slot = lane.next(lane.pending());
    (void)lane.start(slot, 1);
    const std::uint64_t call = lane.request(slot).call_id.load(std::memory_order_relaxed);
    response_header& header = lane.response(slot);
    header.offset = slot * arena_block;
    header.length = arena_block;
    std::memset(lane.response_arena() + header.offset, static_cast<int>(pattern_of(call)), arena_block);
    header.call_id = call;
    lane.finish(slot);
    lane.wake_host(every_slot, false);
  }
}

class survivor {
 public:
  survivor(const lane_memory& memory, std::uint64_t seed) : lane_(memory.request(), memory.response()), random_(seed) {}

  // What DESIGN D4 asks after the worker was reaped, in its order. Returns how many calls had to be posted again.
  std::size_t bury() {
    collect();
    const std::size_t before = again_.size();
    for_each_from(lane_.in_flight(), lane_.oldest_from(), [&](unsigned slot) { again_.push_back(call_in_[slot]); });
    lane_.reset();
    return again_.size() - before;
  }
  void open(std::uint64_t epoch) { lane_.open(epoch); }

  // Calls for a random while; the worker may die meanwhile, but for being dead nothing here would end.
  void run_for(std::uint64_t steps) {
    const auto ready = [&] { return static_cast<std::uint64_t>(lane_.ready()); };
    wait_for_work(lane_, ready, random_, waiting_);
    for (; steps > 0; --steps) {
      for (std::uint64_t n = random_.below(64); n > 0 && post(); --n) {
      }
      (void)lane_.wake_worker();
      collect();
      if (lane_.in_flight() != 0 && random_.one_in(4)) {
        wait_for_work(
            lane_, [&] { return lane_.finished(); }, random_, waiting_);
      }
    }
  }
  void drain() {
    while (!again_.empty() || lane_.in_flight() != 0) {
      while (!again_.empty() && post()) {
      }
      (void)lane_.wake_worker();
      if (lane_.in_flight() != 0)
        wait_for_work(
            lane_, [&] { return lane_.finished(); }, random_, waiting_);
      collect();
    }
  }

  std::uint64_t wrong = 0;
  std::vector<unsigned char> settled{0};  // by call, from 1
  [[nodiscard]] std::uint64_t lost_wakes() const { return waiting_.lost; }

 private:
  bool post() {
    const auto slot = lane_.claim();
    if (!slot) return false;
    std::uint64_t call = settled.size();
    if (again_.empty()) {
      settled.push_back(0);
    } else {
      call = again_.front();
      again_.pop_front();
    }
    lane_.header(*slot).call_id.store(call, std::memory_order_relaxed);
    lane_.header(*slot).flags = lane_.base_flags(*slot);
    call_in_[*slot] = call;
    lane_.publish(*slot);
    return true;
  }

  void collect() {
    for_each_from(lane_.finished(), lane_.oldest_from(), [&](unsigned slot) {
      const std::uint64_t call = call_in_[slot];
      const response_header& header = lane_.response(slot);
      wrong += header.call_id != call || header.offset != slot * arena_block || header.length != arena_block;
      for (std::size_t i = 0; i < arena_block; i += 64) {
        wrong += lane_.response_arena()[slot * arena_block + i] != pattern_of(call);
      }
      ++settled[call];
      lane_.settle(slot);
      lane_.free(slot);
    });
  }

  host_lane lane_;
  random_source random_;
  waits waiting_;
  std::uint64_t call_in_[slots_per_lane] = {};
  std::deque<std::uint64_t> again_;
};

TEST(lane_death, a_worker_killed_at_any_moment_costs_no_call_and_doubles_none) {
  random_source seeds;
  const lane_memory memory;
  survivor host(memory, seeds.bits());
  std::size_t posted_again = 0;

  for (std::uint64_t epoch = 1; epoch <= deaths; ++epoch) {
    auto worker =
        std::make_unique<child>([&, seed = seeds.bits()] { return serve(memory, epoch, random_source(seed)); });
    host.open(epoch);
    host.run_for(seeds.below(200));
    worker.reset();  // SIGKILL, wherever it is, and reaped
    posted_again += host.bury();
  }
  child last([&] { return serve(memory, deaths + 1, random_source(seeds.bits())); });
  host.open(deaths + 1);
  host.run_for(1);
  host.drain();

  EXPECT_EQ(host.wrong, 0U);
  EXPECT_EQ(host.lost_wakes(), 0U);
  for (std::size_t call = 1; call < host.settled.size(); ++call) {
    ASSERT_EQ(host.settled[call], 1) << "call " << call << " of " << host.settled.size();
  }
  EXPECT_GT(posted_again, 0U) << "no death met a call: this test tested nothing";
  std::printf("%zu calls, %zu posted again after %u deaths\n", host.settled.size() - 1, posted_again, deaths);
}

}  // namespace

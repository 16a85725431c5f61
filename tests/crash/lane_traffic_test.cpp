// Proves the lane across two processes: a million calls, both sides spinning or sleeping as chance has it, and nothing
// is lost, doubled, mixed up, or slept through.

#include <gtest/gtest.h>

#include <cstring>
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
using selvage::tests::shared_array;
using selvage::tests::wait_for_work;
using selvage::tests::waits;

constexpr std::uint64_t calls = 1'000'000;
constexpr std::uint16_t ordinary_task = 0;
constexpr std::uint16_t last_task = 1;  // the worker ends after it

std::uint64_t answer_to(std::uint64_t question) { return question * 0x9e3779b97f4a7c15ULL + 1; }

// What the worker's process tells the test when it is over.
struct worker_report {
  waits waiting;
  std::uint64_t ran;
  std::uint64_t out_of_order;
};

void answer(worker_lane& lane, unsigned slot, worker_report& report) {
  const request_header& request = lane.request(slot);
  response_header& response = lane.response(slot);
  std::uint64_t question = 0;
  std::memcpy(&question, request.payload, sizeof question);
  report.out_of_order += question != report.ran + 1;
  ++report.ran;
  const std::uint64_t result = answer_to(question);
  response.call_id = request.call_id.load(std::memory_order_relaxed);
  response.status = static_cast<std::uint8_t>(response_status::ok);
  std::memcpy(response.payload, &result, sizeof result);
  lane.finish(slot);
}

void serve(worker_lane lane, random_source random, worker_report& report) {
  lane.open(lane.open_epoch());
  for (bool last = false; !last;) {
    wait_for_work(
        lane, [&] { return lane.pending(); }, random, report.waiting);
    std::uint64_t unannounced = 0;  // the fence of the next start() serves for it
    for (std::uint64_t pending = lane.pending(); pending != 0;) {
      const unsigned slot = lane.next(pending);
      pending &= ~bit(slot);
      (void)lane.start(slot, 1);
      if (unannounced != 0) lane.wake_host(unannounced, true);
      last = lane.request(slot).task == last_task;
      answer(lane, slot, report);
      unannounced = bit(slot);
    }
    if (unannounced != 0) lane.wake_host(unannounced, false);
  }
}

class traffic {
 public:
  traffic(const lane_memory& memory, std::uint64_t seed, fences mode)
      : lane_(memory.request(), memory.response(), mode), random_(seed) {}

  void open() {
    lane_.open(1);
    const auto ready = [&] { return static_cast<std::uint64_t>(lane_.ready()); };
    wait_for_work(lane_, ready, random_, waiting);
  }

  void run() {
    while (settled_ < calls) {
      post_some();
      collect();
      // Sometimes posts again at once, sometimes lets everything drain first.
      if (lane_.in_flight() == 0 || random_.one_in(2)) continue;
      // Whatever else is quiet, the newest rings, and with it come all before it.
      const std::uint64_t quiet = random_.one_in(2) ? lane_.in_flight() & random_.bits() & ~bit(newest_) : 0;
      lane_.set_quiet(quiet);
      wait_for_work(
          lane_, [&] { return lane_.finished() & ~quiet; }, random_, waiting);
    }
  }

  waits waiting;
  std::uint64_t wrong = 0;

 private:
  void post_some() {
    bool posted = false;
    for (std::uint64_t n = 1 + random_.below(random_.one_in(4) ? 64 : 4); n > 0 && posted_ < calls; --n) {
      const auto slot = lane_.claim();
      if (!slot) break;
      const std::uint64_t question = ++posted_;
      request_header& header = lane_.header(*slot);
      header.call_id.store(question, std::memory_order_relaxed);
      header.flags = lane_.base_flags(*slot);
      header.task = question == calls ? last_task : ordinary_task;
      std::memcpy(header.payload, &question, sizeof question);
      asked_[*slot] = question;
      lane_.publish(*slot);
      newest_ = *slot;
      posted = true;
      if (random_.one_in(8)) (void)lane_.wake_worker();
    }
    if (posted) (void)lane_.wake_worker();
  }

  void collect() {
    for_each_from(lane_.finished(), lane_.oldest_from(), [&](unsigned slot) {
      const response_header& header = lane_.response(slot);
      std::uint64_t result = 0;
      std::memcpy(&result, header.payload, sizeof result);
      // First in, first out: the next to settle is the next that was asked.
      wrong += header.call_id != asked_[slot] || result != answer_to(asked_[slot]) || asked_[slot] != settled_ + 1;
      ++settled_;
      lane_.settle(slot);
      lane_.free(slot);
    });
  }

  host_lane lane_;
  random_source random_;
  std::uint64_t asked_[slots_per_lane] = {};
  unsigned newest_ = 0;
  std::uint64_t posted_ = 0;
  std::uint64_t settled_ = 0;
};

void a_million_calls(fences mode) {
  random_source seeds;
  const std::uint64_t host_seed = seeds.bits();
  const std::uint64_t worker_seed = seeds.bits();
  const lane_memory memory;
  const shared_array<worker_report> report(1);

  traffic host(memory, host_seed, mode);
  child worker([&] {
    worker_lane lane(memory.request(), memory.response());
    while (lane.open_epoch() == 0) {
      const watched_word bell = lane.doorbell();
      if (lane.open_epoch() == 0) wait_on(*bell.word, bell.expected);
    }
    serve(lane, random_source(worker_seed), report[0]);
    return 0;
  });
  host.open();
  host.run();

  EXPECT_EQ(worker.exit_status(), 0);
  EXPECT_EQ(report[0].ran, calls);
  EXPECT_EQ(report[0].out_of_order, 0U);
  EXPECT_EQ(host.wrong, 0U);
  EXPECT_EQ(host.waiting.lost, 0U);
  EXPECT_EQ(report[0].waiting.lost, 0U);
  EXPECT_GT(host.waiting.parked, 0U) << "the host never slept: this test tested nothing";
  EXPECT_GT(report[0].waiting.parked, 0U) << "the worker never slept: this test tested nothing";
  std::printf("slept: host %llu times, worker %llu times\n", static_cast<unsigned long long>(host.waiting.parked),
              static_cast<unsigned long long>(report[0].waiting.parked));
}

TEST(lane_traffic, a_million_calls_are_neither_lost_nor_doubled_nor_slept_through) {
  a_million_calls(fences::symmetric);
}

TEST(lane_traffic, a_million_calls_with_asymmetric_fences_are_neither_lost_nor_doubled_nor_slept_through) {
  const fences mode = register_for_heavy_fences();
  if (mode != fences::asymmetric) GTEST_SKIP() << "membarrier(2) is not to be had here";
  a_million_calls(mode);
}

}  // namespace

// Proves that the host's side of a lane takes whatever a worker writes: another process scribbles over the whole
// response region while the host posts, collects, recalls and sleeps.

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "shm/lane.hpp"
#include "tests/support/child.hpp"
#include "tests/support/lane_memory.hpp"
#include "tests/support/random.hpp"

namespace {

using namespace selvage::shm;
using selvage::tests::child;
using selvage::tests::lane_memory;
using selvage::tests::random_source;

// Never returns: it is killed.
int scribble(const lane_memory& memory, random_source random) {
  const worker_lane lane(memory.request(), memory.response());
  const response_view view = memory.response();
  constexpr std::size_t control_words = response_layout::arena / sizeof(std::uint64_t);
  auto* const anywhere = reinterpret_cast<word64*>(memory.response_region());
  for (;;) {
    switch (random.below(8)) {
      case 0:
        view.words->done.store(random.bits(), std::memory_order_relaxed);
        break;
      case 1:
        view.words->started.store(random.bits(), std::memory_order_relaxed);
        break;
      case 2:  // plausible lies: what is posted is done, or all but a few
        view.words->done.store(memory.request().words->posted.load(std::memory_order_relaxed) ^
                                   (random.bits() & random.bits() & random.bits()),
                               std::memory_order_relaxed);
        break;
      case 3:
        view.words->parked.store(static_cast<std::uint32_t>(random.below(5)), std::memory_order_relaxed);
        break;
      case 4:
        ring(view.words->doorbell);
        break;
      case 5:
        view.words->doorbell.store(static_cast<std::uint32_t>(random.bits()), std::memory_order_relaxed);
        break;
      default:
        anywhere[random.below(control_words)].store(random.bits(), std::memory_order_relaxed);
    }
  }
}

class besieged_host {
 public:
  besieged_host(const lane_memory& memory, random_source random)
      : lane_(memory.request(), memory.response()), random_(random) {}

  void open(std::uint64_t epoch) {
    lane_.reset();
    claimed_ = in_flight_ = 0;
    lane_.open(epoch);
  }

  void step() {
    ASSERT_EQ(lane_.in_flight(), in_flight_);
    ASSERT_EQ(lane_.busy(), claimed_);
    switch (random_.below(8)) {
      case 0:
      case 1:
      case 2:
        post();
        break;
      case 3:
      case 4:
        collect();
        break;
      case 5:
        take_back();
        break;
      case 6:
        (void)lane_.wake_worker();
        break;
      default:
        look_around();
    }
  }

  void sleep_a_little() {
    lane_.set_parked(parked::futex);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    const watched_word bells[] = {lane_.doorbell()};
    wait_on_any(bells, selvage::base::now_ns() + 1'000'000);
    lane_.set_parked(parked::no);
  }

  [[nodiscard]] std::uint64_t settled() const { return settled_; }

 private:
  void post() {
    const auto slot = lane_.claim();
    if (!slot) return;
    ASSERT_LT(*slot, slots_per_lane);
    ASSERT_FALSE(test(claimed_, *slot)) << "a busy slot was claimed";
    claimed_ |= bit(*slot);
    if (random_.one_in(8)) {
      lane_.unclaim(*slot);
      claimed_ &= ~bit(*slot);
      return;
    }
    lane_.header(*slot).flags = lane_.base_flags(*slot);
    lane_.publish(*slot);
    in_flight_ |= bit(*slot);
  }

  void collect() {
    const std::uint64_t finished = lane_.finished();
    ASSERT_EQ(finished & ~in_flight_, 0U) << "a slot that was not posted is said to be done";
    for_each_from(finished, lane_.oldest_from(), [&](unsigned slot) {
      alignas(response_header) std::byte copy[sizeof(response_header)];
      std::memcpy(copy, &lane_.response(slot), sizeof copy);
      sum_ += static_cast<std::uint64_t>(copy[0]);
      lane_.settle(slot);
      lane_.free(slot);
      in_flight_ &= ~bit(slot);
      claimed_ &= ~bit(slot);
      ++settled_;
    });
  }

  void take_back() {
    if (in_flight_ == 0) return;
    const unsigned slot = first_from(in_flight_, static_cast<unsigned>(random_.below(64)));
    if (random_.one_in(2)) {
      (void)lane_.recall(slot);
    } else {
      lane_.raise_abort(slot);
    }
  }

  void look_around() {
    ASSERT_EQ(lane_.started() & ~in_flight_, 0U);
    (void)lane_.ready();
    sum_ += lane_.crash().kind.load(std::memory_order_acquire);
  }

  host_lane lane_;
  random_source random_;
  std::uint64_t claimed_ = 0;  // what the host itself did: the lane must agree whatever the worker says
  std::uint64_t in_flight_ = 0;
  std::uint64_t settled_ = 0;
  std::uint64_t sum_ = 0;
};

TEST(lane_hostile, garbage_in_the_response_region_never_confuses_the_hosts_own_books) {
  random_source seeds;
  const std::uint64_t host_seed = seeds.bits();
  const std::uint64_t worker_seed = seeds.bits();
  const lane_memory memory;
  besieged_host host(memory, random_source(host_seed));
  child worker([&] { return scribble(memory, random_source(worker_seed)); });

  for (std::uint64_t epoch = 1; epoch <= 20; ++epoch) {
    host.open(epoch);
    for (int step = 0; step < 50'000; ++step) ASSERT_NO_FATAL_FAILURE(host.step());
    for (int nap = 0; nap < 20; ++nap) host.sleep_a_little();
  }
  EXPECT_GT(host.settled(), 0U) << "nothing was ever finished: this test tested nothing";
}

}  // namespace

// Proves the race of recall against start across two processes: whatever the timing, a call of which the host was told
// that it will not run does not run.

#include <gtest/gtest.h>
#include <sched.h>

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
using selvage::tests::shared_array;

constexpr std::uint64_t calls = 4'000'000;

void linger(random_source& random, std::uint64_t most) {
  for (std::uint64_t n = random.below(most + 1); n > 0; --n) spin_pause();
}

// Both look again all the time; with fewer cores than spinners they have to let each other run.
class patience {
 public:
  void wait() {
    spin_pause();
    if (++looks_ % 256 == 0) ::sched_yield();
  }

 private:
  unsigned looks_ = 0;
};

struct marks {
  unsigned char ran;
  unsigned char skipped;
};

void serve(worker_lane lane, random_source random, const shared_array<marks>& of_call) {
  patience idle;
  for (std::uint64_t done = 0; done < calls;) {
    std::uint64_t pending = lane.pending();
    if (pending == 0) idle.wait();
    for (; pending != 0; ++done) {
      const unsigned slot = lane.next(pending);
      pending &= ~bit(slot);
      linger(random, 12);
      const bool runs = lane.start(slot, 1);
      marks& mark = of_call[lane.request(slot).call_id.load(std::memory_order_relaxed)];
      ++(runs ? mark.ran : mark.skipped);
      lane.finish(slot);
    }
  }
}

struct tally {
  std::uint64_t told = 0;
  std::uint64_t told_but_ran = 0;
  std::uint64_t not_told_but_skipped = 0;
  std::uint64_t not_once = 0;
  std::uint64_t ran_although_recalled = 0;
};

class recaller {
 public:
  recaller(const lane_memory& memory, std::uint64_t seed)
      : lane_(memory.request(), memory.response()), random_(seed), told_(calls + 1), recalled_(calls + 1) {}

  // Posts a batch, recalls most of it while the worker is at it, and waits for the slots to come back.
  void run() {
    lane_.open(1);
    for (std::uint64_t posted = 0; posted < calls;) {
      std::uint64_t batch = 0;
      for (std::uint64_t n = 1 + random_.below(slots_per_lane); n > 0 && posted < calls; --n)
        batch |= bit(post(++posted));
      patience idle;
      if (random_.one_in(2)) {
        while (lane_.started() == 0) idle.wait();  // where both share a core, neither would ever be late otherwise
      }
      for_each_from(batch, static_cast<unsigned>(random_.below(64)), [&](unsigned slot) {
        if (random_.one_in(4)) return;
        linger(random_, 5);
        recalled_[call_in_[slot]] = 1;
        told_[call_in_[slot]] = lane_.recall(slot) ? 1 : 0;
      });
      while (lane_.finished() != batch) idle.wait();
      for_each_from(batch, 0, [&](unsigned slot) {
        lane_.settle(slot);
        lane_.free(slot);
      });
    }
  }

  [[nodiscard]] tally count(const shared_array<marks>& of_call) const {
    tally sum;
    for (std::uint64_t call = 1; call <= calls; ++call) {
      const marks& mark = of_call[call];
      sum.told += told_[call];
      sum.not_once += mark.ran + mark.skipped != 1;
      sum.told_but_ran += told_[call] != 0 && mark.ran != 0;
      sum.not_told_but_skipped += told_[call] == 0 && mark.skipped != 0;
      sum.ran_although_recalled += recalled_[call] != 0 && mark.ran != 0;
      if (recalled_[call] == 0 && mark.skipped != 0) ++sum.not_once;  // skipped for nothing
    }
    return sum;
  }

 private:
  unsigned post(std::uint64_t call) {
    const unsigned slot = lane_.claim().value();
    lane_.header(slot).call_id.store(call, std::memory_order_relaxed);
    lane_.header(slot).flags = lane_.base_flags(slot);
    call_in_[slot] = call;
    lane_.publish(slot);
    return slot;
  }

  host_lane lane_;
  random_source random_;
  std::uint64_t call_in_[slots_per_lane] = {};
  std::vector<unsigned char> told_;
  std::vector<unsigned char> recalled_;
};

TEST(lane_recall, a_call_that_is_said_not_to_run_never_runs_whatever_the_race) {
  random_source seeds;
  const std::uint64_t host_seed = seeds.bits();
  const std::uint64_t worker_seed = seeds.bits();
  const lane_memory memory;
  const shared_array<marks> of_call(calls + 1);

  recaller host(memory, host_seed);
  child worker([&] {
    serve(worker_lane(memory.request(), memory.response()), random_source(worker_seed), of_call);
    return 0;
  });
  host.run();
  EXPECT_EQ(worker.exit_status(), 0);

  const tally sum = host.count(of_call);
  EXPECT_EQ(sum.told_but_ran, 0U);
  EXPECT_EQ(sum.not_once, 0U) << "every call is run or skipped, once, and skipped only where it was recalled";
  EXPECT_GT(sum.told, 0U) << "no recall came first: this test tested nothing";
  EXPECT_GT(sum.ran_although_recalled, 0U) << "no start came first: this test tested nothing";
  std::printf("recalled in time %llu, both at once %llu, too late %llu\n", static_cast<unsigned long long>(sum.told),
              static_cast<unsigned long long>(sum.not_told_but_skipped),
              static_cast<unsigned long long>(sum.ran_although_recalled));
}

}  // namespace

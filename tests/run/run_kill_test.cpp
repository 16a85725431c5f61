// A program that is killed with SIGKILL at a random moment of its run, a thousand times. FAILURES row 30: every outcome
// that was told is in the store, no record is half there, what was committed is not run again, and the run that comes
// through tells exactly the outcomes of one that nothing has disturbed.

#include <gmock/gmock.h>

#include <atomic>
#include <cstdio>

#include <selvage/run.hpp>

#include "tests/run/store_support.hpp"
#include "tests/support/child.hpp"
#include "tests/support/lane_memory.hpp"
#include "tests/support/random.hpp"

namespace selvage::test {
namespace {

constexpr int item_count = 400;
constexpr int kills = 1000;

using counters = tests::shared_array<std::atomic<std::uint64_t>>;

std::string right_output(int n) {
  return "value " + std::to_string(n) + std::string(static_cast<std::size_t>(n % 40 * 10), '.');
}

class killed_runs : public ::testing::Test {
 protected:
  const scratch_directory place_;
  const counters ran_{item_count};   // by item
  const counters told_{item_count};  // by item: its outcome was told
  const counters come_through_{1};

  /// The program. Ends by itself once every item has an outcome.
  int be_the_program(durability how) {
    const auto work = task("work", [this](int n) {
      ++ran_[static_cast<std::size_t>(n)];
      if (n % 8 == 0) ::usleep(200);
      return right_output(n);
    });
    pool pool({.workers = 2}, work);
    const store store(place_.path(), {.durability = how, .commit_interval = std::chrono::milliseconds(1)});
    std::vector<int> items(item_count);
    for (int i = 0; i < item_count; ++i) items[static_cast<std::size_t>(i)] = i;
    int next = 0;
    bool right = true;
    const auto report = run(pool, work, items,
                            {.name = "run",
                             .emit =
                                 [&](auto&& outcome) {
                                   right = right && *outcome.item == next && outcome.result == right_output(next);
                                   ++told_[static_cast<std::size_t>(next++)];
                                 },
                             .store = &store,
                             .resume = true});
    come_through_[0] = report.ok() && right && next == item_count ? 1 : 2;
    return 0;
  }

  /// What is kept, by a program that looks after the kill.
  std::vector<bool> kept() {
    std::vector<bool> found(item_count, false);
    const store store(place_.path());
    if (const auto runs = store.runs(); !runs || runs->empty()) return found;
    const auto checked = store.check("run");
    EXPECT_TRUE(checked) << words_of(checked);
    EXPECT_TRUE(!checked || checked->ok()) << checked->problems.front();
    for (const auto& [key, item] : all_of(store, "run")) {
      const int n = std::stoi(key);
      EXPECT_EQ(item.output, right_output(n));
      found[static_cast<std::size_t>(n)] = true;
    }
    return found;
  }

  void be_killed(durability how, int times) {
    tests::random_source random;
    int killed = 0;
    int came_through = 0;
    while (killed < times && !HasFailure()) {
      std::vector<bool> before(item_count, false);
      std::vector<std::uint64_t> runs_when_kept(item_count, 0);
      for (int i = 0; i < item_count; ++i) ran_[static_cast<std::size_t>(i)] = told_[static_cast<std::size_t>(i)] = 0;
      come_through_[0] = 0;
      while (come_through_[0] == 0 && !HasFailure()) {
        {
          tests::child program([&] { return be_the_program(how); });
          if (killed < times) {
            ::usleep(static_cast<useconds_t>(random.below(random.one_in(4) ? 60'000 : 12'000)));
            ++killed;
          } else {
            (void)program.wait();
          }
        }
        const std::vector<bool> now = kept();
        for (std::size_t i = 0; i < item_count; ++i) {
          ASSERT_TRUE(now[i] || !before[i]) << "a record is lost";
          ASSERT_TRUE(now[i] || told_[i] == 0) << "an outcome was told and is not kept";
          if (now[i] && !before[i]) runs_when_kept[i] = ran_[i];
          ASSERT_EQ(ran_[i], now[i] ? runs_when_kept[i] : ran_[i].load()) << "what was kept is run again";
        }
        before = now;
      }
      ASSERT_EQ(come_through_[0], 1U) << "the run that came through told other outcomes";
      for (std::size_t i = 0; i < item_count; ++i) ASSERT_GE(told_[i], 1U);
      ASSERT_TRUE(store(place_.path()).forget("run"));
      ++came_through;
    }
    std::printf("%d kills, %d runs came through\n", killed, came_through);
  }
};

TEST_F(killed_runs, lose_nothing_that_was_told) { be_killed(durability::batch, kills); }
TEST_F(killed_runs, lose_nothing_that_was_told_without_syncs) { be_killed(durability::process, kills / 10); }

}  // namespace
}  // namespace selvage::test

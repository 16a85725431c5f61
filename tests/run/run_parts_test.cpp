// The pure parts of a run: the table of item states over every state and event, the turns of groups, and its policies.

#include <gmock/gmock.h>

#include <map>
#include <set>

#include "run/groups.hpp"
#include "run/item_state.hpp"
#include "run/policy.hpp"

namespace selvage::run_detail {
namespace {

using ::testing::ElementsAre;
using namespace std::chrono_literals;
using s = item_state;
using e = item_event;

TEST(item_states, know_every_event_that_can_happen_and_no_other) {
  const std::map<std::pair<s, e>, s> expected{
      {{s::waiting, e::start}, s::active},      {{s::waiting, e::known}, s::ready},
      {{s::waiting, e::fail}, s::recording},    {{s::waiting, e::give_up}, s::over},
      {{s::paused, e::pause_over}, s::waiting}, {{s::paused, e::fail}, s::recording},
      {{s::paused, e::give_up}, s::over},       {{s::active, e::succeed}, s::recording},
      {{s::active, e::fail}, s::recording},     {{s::active, e::retry}, s::paused},
      {{s::active, e::give_up}, s::over},       {{s::recording, e::recorded}, s::ready},
      {{s::recording, e::give_up}, s::over},    {{s::ready, e::told}, s::over},
  };
  for (unsigned state = 0; state < item_states; ++state) {
    for (unsigned event = 0; event < item_events; ++event) {
      const auto at = expected.find({static_cast<s>(state), static_cast<e>(event)});
      const auto next = after(static_cast<s>(state), static_cast<e>(event));
      EXPECT_EQ(next, at == expected.end() ? std::nullopt : std::optional(at->second)) << state << " " << event;
    }
  }
}

TEST(item_states, lead_from_every_state_to_the_end) {
  for (unsigned begin = 0; begin < item_states; ++begin) {
    std::set<s> reached{static_cast<s>(begin)};
    for (unsigned round = 0; round < item_states; ++round) {
      for (const s state : std::set<s>(reached)) {
        for (unsigned event = 0; event < item_events; ++event) {
          if (const auto next = after(state, static_cast<e>(event))) reached.insert(*next);
        }
      }
    }
    EXPECT_TRUE(reached.contains(s::over)) << begin;
  }
}

std::vector<slot> started(groups& of) {
  std::vector<slot> order;
  while (const auto next = of.next()) order.push_back(*next);
  return order;
}

TEST(groups, without_a_limit_start_first_come_first_served) {
  groups all({});
  const group only = all.named("");
  for (slot item : {5U, 3U, 9U}) all.wait(only, item);
  EXPECT_EQ(all.waiting(), 3U);
  EXPECT_THAT(started(all), ElementsAre(5, 3, 9));
  EXPECT_EQ(all.waiting(), 0U);
}

TEST(groups, take_turns) {
  groups all(group_limit(0));
  const group a = all.named("a");
  const group b = all.named("b");
  EXPECT_EQ(all.named("a"), a);
  for (slot item : {1U, 2U, 3U, 4U}) all.wait(a, item);
  for (slot item : {11U, 12U}) all.wait(b, item);
  EXPECT_THAT(started(all), ElementsAre(1, 11, 2, 12, 3, 4));
}

TEST(groups, that_are_full_do_not_hold_back_others) {
  groups all(group_limit(2));
  const group a = all.named("a");
  const group b = all.named("b");
  for (slot item : {1U, 2U, 3U, 4U}) all.wait(a, item);
  for (slot item : {11U, 12U, 13U}) all.wait(b, item);
  EXPECT_THAT(started(all), ElementsAre(1, 11, 2, 12));
  all.left(b);
  EXPECT_THAT(started(all), ElementsAre(13));
  all.left(a);
  all.left(a);
  EXPECT_THAT(started(all), ElementsAre(3, 4));
}

TEST(groups, have_limits_of_their_own) {
  std::vector<std::string> asked;
  groups all(group_limit([&](std::string_view name) {
    asked.emplace_back(name);
    return name == "one" ? 1U : 0U;
  }));
  const group one = all.named("one");
  const group any = all.named("any");
  for (slot item : {1U, 2U}) all.wait(one, item);
  for (slot item : {11U, 12U, 13U}) all.wait(any, item);
  EXPECT_THAT(started(all), ElementsAre(1, 11, 12, 13));
  EXPECT_EQ(all.named("one"), one);
  EXPECT_THAT(asked, ElementsAre("one", "any"));
}

TEST(groups, give_up_what_waits) {
  groups all(group_limit(1));
  const group a = all.named("a");
  for (slot item : {1U, 2U, 3U}) all.wait(a, item);
  all.withdraw(a, 1);
  all.withdraw(a, 7);
  EXPECT_EQ(all.next(), 2U);
  EXPECT_EQ(all.any(), 3U);
  EXPECT_EQ(all.any(), std::nullopt);
  EXPECT_EQ(all.waiting(), 0U);
  all.left(a);
  EXPECT_EQ(all.next(), std::nullopt);
}

TEST(policies, retry_what_may_go_better) {
  const retry_options three{.attempts = 3};
  for (const errc code : {errc::crashed, errc::timed_out, errc::task_failed, errc::out_of_memory, errc::quarantined}) {
    EXPECT_TRUE(is_worth_a_retry(three, 1, error(code, "")));
    EXPECT_TRUE(is_worth_a_retry(three, 2, error(code, "")));
    EXPECT_FALSE(is_worth_a_retry(three, 3, error(code, "")));
    EXPECT_FALSE(is_worth_a_retry({}, 1, error(code, "")));
  }
  EXPECT_FALSE(is_worth_a_retry(three, 1, error(errc::permission_denied, "")));
  EXPECT_FALSE(is_worth_a_retry(three, 1, error(errc::payload_too_large, "")));
  const retry_options picky{.attempts = 3,
                            .worth = [](const error& why) { return why.code() == errc::payload_too_large; }};
  EXPECT_TRUE(is_worth_a_retry(picky, 1, error(errc::payload_too_large, "")));
  EXPECT_FALSE(is_worth_a_retry(picky, 1, error(errc::crashed, "")));
}

TEST(policies, pause_longer_each_time) {
  std::minstd_rand random;
  const retry_options steady{.backoff = 10ms, .backoff_limit = 50ms, .jitter = 0};
  EXPECT_EQ(pause_after(steady, 1, random), 10ms);
  EXPECT_EQ(pause_after(steady, 2, random), 20ms);
  EXPECT_EQ(pause_after(steady, 3, random), 40ms);
  EXPECT_EQ(pause_after(steady, 4, random), 50ms);
  EXPECT_EQ(pause_after(steady, 1000, random), 50ms);
  EXPECT_EQ(pause_after({.backoff = 0ms}, 1000, random), 0ms);
  const retry_options jittery{.backoff = 100ms, .jitter = 0.5};
  std::set<std::int64_t> seen;
  for (int i = 0; i < 100; ++i) {
    const auto pause = pause_after(jittery, 1, random);
    EXPECT_GE(pause, 50ms);
    EXPECT_LE(pause, 100ms);
    seen.insert(pause.count());
  }
  EXPECT_GT(seen.size(), 50U);
  EXPECT_LE(
      pause_after({.backoff = std::chrono::hours(200'000), .backoff_limit = std::chrono::hours(200'000)}, 900, random),
      std::chrono::hours(200'000));
}

TEST(policies, quarantine_what_kills_each_of_its_workers) {
  const error crash(errc::crashed, "the worker died of SIGSEGV");
  EXPECT_EQ(final_failure(crash, 1, 1).code(), errc::crashed);
  EXPECT_EQ(final_failure(crash, 3, 2).code(), errc::crashed);
  const error told = final_failure(crash, 3, 3);
  EXPECT_EQ(told.code(), errc::quarantined);
  EXPECT_STREQ(told.details().message.c_str(),
               "each of its 3 attempts took its worker with it, the last: crashed: the worker died of SIGSEGV");
}

TEST(policies, halt_by_number_and_by_part) {
  using w = halt_options::when;
  using o = halt_options::of;
  EXPECT_FALSE(is_time_to_halt({}, 100, 100));
  EXPECT_FALSE(is_time_to_halt({.how = w::soon, .count = 2}, 100, 1));
  EXPECT_TRUE(is_time_to_halt({.how = w::soon, .count = 2}, 0, 2));
  EXPECT_TRUE(is_time_to_halt({.how = w::now, .what = o::successes, .count = 1}, 1, 0));
  EXPECT_TRUE(is_time_to_halt({.how = w::now, .what = o::outcomes, .count = 5}, 3, 2));
  EXPECT_FALSE(is_time_to_halt({.how = w::soon, .percent = 50}, 0, 2)) << "two say nothing";
  EXPECT_TRUE(is_time_to_halt({.how = w::soon, .percent = 50}, 0, 3));
  EXPECT_FALSE(is_time_to_halt({.how = w::soon, .percent = 50}, 3, 2));
  EXPECT_TRUE(is_time_to_halt({.how = w::soon, .percent = 50}, 2, 2));
}

}  // namespace
}  // namespace selvage::run_detail

// When the next worker is forked, when a well one is replaced, and what a worker's end is called: the supervisor's pure
// decisions.

#include "supervisor/restart_policy.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <map>
#include <utility>

#include "base/clock.hpp"
#include "supervisor/life.hpp"
#include "supervisor/recycle_policy.hpp"
#include "supervisor/verdict.hpp"

namespace selvage::supervisor {
namespace {

using namespace std::chrono_literals;

// ---- restart

TEST(restart_policy, a_death_after_ready_restarts_at_once_and_forgives_earlier_failures) {
  restart_ledger ledger({.budget = 2, .backoff_first = 10ms});
  EXPECT_EQ(ledger.failed_to_start().when, restart::later);
  EXPECT_EQ(ledger.failed_to_start().when, restart::later);
  EXPECT_EQ(ledger.ended_well().when, restart::at_once);
  EXPECT_EQ(ledger.failures(), 0U);
  EXPECT_EQ(ledger.failed_to_start().wait, 10ms);
}

TEST(restart_policy, the_backoff_doubles_up_to_its_limit) {
  restart_ledger ledger({.budget = 100, .backoff_first = 10ms, .backoff_limit = 65ms});
  for (const auto wait : {10ms, 20ms, 40ms, 65ms, 65ms}) EXPECT_EQ(ledger.failed_to_start().wait, wait);
}

TEST(restart_policy, the_budget_counts_retries_and_one_more_failure_is_the_last) {
  for (const std::uint32_t budget : {0U, 1U, 5U}) {
    restart_ledger ledger({.budget = budget});
    for (std::uint32_t i = 0; i < budget; ++i) EXPECT_EQ(ledger.failed_to_start().when, restart::later);
    EXPECT_EQ(ledger.failed_to_start().when, restart::never);
    EXPECT_EQ(ledger.failed_to_start().when, restart::never);
  }
}

TEST(restart_policy, extreme_backoffs_neither_overflow_nor_exceed_the_limit) {
  restart_ledger ledger({.budget = 200, .backoff_first = 1ns, .backoff_limit = std::chrono::nanoseconds::max()});
  std::chrono::nanoseconds last{0};
  for (int i = 0; i < 200; ++i) {
    const auto wait = ledger.failed_to_start().wait;
    EXPECT_GE(wait, last);
    last = wait;
  }
  EXPECT_EQ(last, std::chrono::nanoseconds::max());
  EXPECT_EQ(restart_ledger({.backoff_first = 2s, .backoff_limit = 1s}).failed_to_start().wait, 1s);
}

TEST(restart_policy, a_worker_that_only_says_it_was_ready_is_believed_when_it_lived_long_enough) {
  const restart_policy policy{.backoff_limit = 1s};
  EXPECT_TRUE(is_failed_start(policy, {}));
  EXPECT_FALSE(is_failed_start(policy, {.accepted = true}));
  EXPECT_TRUE(is_failed_start(policy, {.says_ready = true, .lived = 999ms}));
  EXPECT_FALSE(is_failed_start(policy, {.says_ready = true, .lived = 1s}));
  EXPECT_TRUE(is_failed_start(policy, {.lived = 1h}));
}

// ---- recycling

TEST(recycle_policy, age_limits_are_spread_around_the_age_and_never_zero) {
  const recycle_policy policy{.age = 1000ns, .jitter = 0.1};
  EXPECT_EQ(age_limit_ns(policy, 0.0), 900U);
  EXPECT_EQ(age_limit_ns(policy, 0.5), 1000U);
  EXPECT_EQ(age_limit_ns(policy, 1.0), 1100U);
  EXPECT_EQ(age_limit_ns({.age = 0ns}, 0.5), base::never_ns);
  EXPECT_EQ(age_limit_ns({.age = 1ns, .jitter = 5.0}, 0.0), 1U);
}

TEST(recycle_policy, a_worker_is_due_at_its_limit_and_urgent_at_half_as_much_again) {
  const recycle_policy policy{.resident_bytes = 100};
  EXPECT_EQ(recycle_now(policy, 9, 10, 100).reason, shm::recycle_reason::none);
  EXPECT_EQ(recycle_now(policy, 10, 10, 0).reason, shm::recycle_reason::age);
  EXPECT_FALSE(recycle_now(policy, 14, 10, 0).urgent);
  EXPECT_TRUE(recycle_now(policy, 15, 10, 0).urgent);
  EXPECT_EQ(recycle_now(policy, 0, 10, 101).reason, shm::recycle_reason::resident);
  EXPECT_FALSE(recycle_now(policy, 0, 10, 150).urgent);
  EXPECT_TRUE(recycle_now(policy, 0, 10, 151).urgent);
  EXPECT_EQ(recycle_now({}, 1000, base::never_ns, 1000).reason, shm::recycle_reason::none);
  EXPECT_EQ(far_beyond(base::never_ns), base::never_ns);
}

TEST(recycle_policy, resident_memory_grows_with_what_the_process_touches) {
  const auto before = private_resident_bytes(::getpid());
  ASSERT_TRUE(before.has_value());
  constexpr std::size_t size = std::size_t{32} << 20;
  // Not from the heap, which may have as much resident from an earlier test.
  void* const touched =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  ASSERT_NE(touched, MAP_FAILED);
  const auto after = private_resident_bytes(::getpid());
  ASSERT_TRUE(after.has_value());
  EXPECT_GT(*after, *before + size / 2);
  ::munmap(touched, size);
  EXPECT_FALSE(private_resident_bytes(-1).has_value());
}

// ---- the life table

TEST(life_table, every_pair_of_state_and_event_does_what_is_written_here_and_nothing_else) {
  using enum life;
  const std::map<std::pair<life, event>, step> moves = {
      {{vacant, event::fork_due}, {starting, action::fork}},
      {{vacant, event::close}, {finished}},
      {{vacant, event::close_now}, {finished}},
      {{vacant, event::back_off}, {backing_off}},
      {{vacant, event::give_up}, {failed}},
      {{starting, event::fork_failed}, {vacant}},
      {{starting, event::seen_ready}, {running}},
      {{starting, event::overdue}, {dying, action::kill}},
      {{starting, event::close}, {dying, action::kill}},
      {{starting, event::close_now}, {dying, action::kill}},
      {{starting, event::died}, {burying, action::sweep}},
      {{running, event::overdue}, {dying, action::kill}},
      {{running, event::retire}, {retiring, action::tell}},
      {{running, event::close}, {retiring, action::tell}},
      {{running, event::close_now}, {dying, action::kill}},
      {{running, event::died}, {burying, action::sweep}},
      {{retiring, event::overdue}, {dying, action::kill}},
      {{retiring, event::close_now}, {dying, action::kill}},
      {{retiring, event::died}, {burying, action::sweep}},
      {{dying, event::died}, {burying, action::sweep}},
      {{burying, event::buried}, {vacant}},
      {{backing_off, event::fork_due}, {starting, action::fork}},
      {{backing_off, event::close}, {finished}},
      {{backing_off, event::close_now}, {finished}},
      {{failed, event::close}, {finished}},
      {{failed, event::close_now}, {finished}},
  };
  for (std::size_t s = 0; s < life_states; ++s) {
    for (std::size_t e = 0; e < life_events; ++e) {
      const std::pair pair{static_cast<life>(s), static_cast<event>(e)};
      const auto move = moves.find(pair);
      const step wanted = move == moves.end() ? step{pair.first} : move->second;
      EXPECT_TRUE(advance(pair.first, pair.second) == wanted) << "state " << s << ", event " << e;
    }
  }
}

TEST(life_table, from_every_state_closing_leads_to_finished) {
  for (std::size_t s = 0; s < life_states; ++s) {
    for (const event order : {event::close, event::close_now}) {
      life state = advance(static_cast<life>(s), order).next;
      for (const event then : {event::died, event::buried, order}) state = advance(state, then).next;
      EXPECT_EQ(state, life::finished) << "state " << s;
    }
  }
}

// ---- verdicts

constexpr int exited_with(int code) { return code << 8; }
constexpr int killed_by(int signal) { return signal; }

TEST(verdict, a_death_that_nobody_ordered_is_named_after_what_the_kernel_says) {
  using enum shm::verdict_reason;
  EXPECT_EQ(judge({}, {.wait_status = killed_by(SIGSEGV)}), signalled);
  EXPECT_EQ(judge({}, {.wait_status = killed_by(SIGKILL)}), signalled);
  EXPECT_EQ(judge({}, {.wait_status = exited_with(0)}), exited);
  EXPECT_EQ(judge({}, {.wait_status = exited_with(3)}), exited);
}

TEST(verdict, a_sentence_stands_only_where_it_was_carried_out) {
  using enum shm::verdict_reason;
  for (const auto reason : {timed_out, aborted, start_timeout, recycled, shut_down}) {
    const sentence killed{.reason = reason, .killed = true};
    EXPECT_EQ(judge(killed, {.wait_status = killed_by(SIGKILL)}), reason);
    EXPECT_EQ(judge(killed, {.wait_status = killed_by(SIGSEGV), .in_a_call = true}), signalled);
    EXPECT_EQ(judge(killed, {.wait_status = exited_with(3), .in_a_call = true}), exited);
  }
}

TEST(verdict, a_retired_worker_ends_between_two_calls_in_whatever_way) {
  using enum shm::verdict_reason;
  for (const auto reason : {recycled, shut_down}) {
    EXPECT_EQ(judge({.reason = reason}, {.wait_status = exited_with(0)}), reason);
    EXPECT_EQ(judge({.reason = reason}, {.wait_status = exited_with(70)}), reason) << "its finalizer threw";
    EXPECT_EQ(judge({.reason = reason}, {.wait_status = killed_by(SIGSEGV)}), reason) << "its finalizer crashed";
    EXPECT_EQ(judge({.reason = reason}, {.wait_status = exited_with(0), .in_a_call = true}), exited);
    EXPECT_EQ(judge({.reason = reason}, {.wait_status = killed_by(SIGKILL), .in_a_call = true}), signalled);
  }
}

TEST(verdict, only_a_late_call_is_named_in_it) {
  const sentence late{.reason = shm::verdict_reason::timed_out, .slot = 7, .call_id = 70, .killed = true};
  EXPECT_EQ(make_verdict(1, 2, late, {.wait_status = killed_by(SIGKILL)}).call_id, 70U);
  EXPECT_EQ(make_verdict(1, 2, late, {.wait_status = killed_by(SIGSEGV)}).call_id, 0U);
}

}  // namespace
}  // namespace selvage::supervisor

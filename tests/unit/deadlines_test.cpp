// When a call is late: everything that honest and lying workers can show the supervisor, without a process or a clock.

#include "supervisor/deadlines.hpp"

#include <gtest/gtest.h>

#include <random>

#include "base/clock.hpp"
#include "shm/bits.hpp"

namespace selvage::supervisor {
namespace {

using shm::verdict_reason;

/// A lane as the words describe it, written by the test.
struct lane {
  lane_look look{};
  lane_deadlines deadlines;

  void post(unsigned slot, std::uint64_t call_id, std::uint64_t at, std::uint64_t limit) {
    look.in_flight |= shm::bit(slot);
    look.known |= shm::bit(slot);
    look.started &= ~shm::bit(slot);
    look.calls[slot] = {.call_id = call_id, .posted_at_ns = at, .limit_ns = limit};
  }
  void start(unsigned slot, std::uint64_t stamp) {
    look.started |= shm::bit(slot);
    look.calls[slot].started_at_ns = stamp;
  }
  void finish(unsigned slot) {
    look.in_flight &= ~shm::bit(slot);
    look.known &= ~shm::bit(slot);
    look.started &= ~shm::bit(slot);
    look.done ^= shm::bit(slot);
  }
  outlook at(std::uint64_t now) { return deadlines.judge(look, now); }
  outlook at(std::uint64_t now, std::uint64_t cpu_used) {
    return deadlines.judge(look, now, {.limit_ns = cpu_limit, .cores = 4, .used_ns = cpu_used});
  }
  static constexpr std::uint64_t cpu_limit = 1'000'000'000;
};

TEST(deadlines, an_idle_lane_needs_no_look) {
  lane idle;
  EXPECT_EQ(idle.at(1000).next_look_ns, base::never_ns);
  EXPECT_FALSE(idle.at(1000).late);
}

TEST(deadlines, a_call_without_a_limit_is_never_late) {
  lane one;
  one.post(0, 1, 0, 0);
  one.start(0, 10);
  EXPECT_EQ(one.at(1'000'000'000).next_look_ns, base::never_ns);
  EXPECT_FALSE(one.at(base::never_ns - 1).late);
}

TEST(deadlines, a_limit_counts_from_the_start_and_ends_on_the_nanosecond) {
  lane one;
  one.post(3, 77, 1000, 500);
  one.start(3, 1200);
  EXPECT_EQ(one.at(1300).next_look_ns, 1700U);
  EXPECT_FALSE(one.at(1699).late);
  const auto late = one.at(1700).late;
  ASSERT_TRUE(late);
  EXPECT_EQ(late->slot, 3U);
  EXPECT_EQ(late->call_id, 77U);
  EXPECT_EQ(late->due_ns, 1700U);
  EXPECT_EQ(late->reason, verdict_reason::timed_out);
}

TEST(deadlines, sixty_calls_that_queue_behind_each_other_are_not_charged_for_waiting) {
  lane queue;
  for (unsigned slot = 0; slot < 60; ++slot) queue.post(slot, slot + 1, 100, 100);
  std::uint64_t now = 100;
  for (unsigned slot = 0; slot < 60; ++slot) {
    queue.start(slot, now);
    EXPECT_FALSE(queue.at(now + 1).late);
    now += 50;
    EXPECT_FALSE(queue.at(now).late) << slot;
    queue.finish(slot);
    EXPECT_FALSE(queue.at(now).late) << "between two calls, after " << slot;
  }
  EXPECT_EQ(queue.at(now).next_look_ns, base::never_ns);
}

TEST(deadlines, a_call_that_waits_is_looked_at_again_within_its_limit) {
  lane queue;
  queue.post(0, 1, 0, 0);
  queue.start(0, 5);
  queue.post(1, 2, 10, 100);
  EXPECT_EQ(queue.at(1000).next_look_ns, 1100U);
  queue.finish(0);
  queue.start(1, 1050);
  EXPECT_EQ(queue.at(1100).next_look_ns, 1150U);
  EXPECT_TRUE(queue.at(1150).late);
}

TEST(deadlines, a_worker_that_starts_nothing_is_killed_after_one_more_limit) {
  lane stuck;
  stuck.post(0, 1, 1000, 500);
  EXPECT_EQ(stuck.at(1000).next_look_ns, 1500U);
  EXPECT_FALSE(stuck.at(1499).late);
  EXPECT_EQ(stuck.at(1500).next_look_ns, 2000U);
  EXPECT_FALSE(stuck.at(1999).late);
  EXPECT_TRUE(stuck.at(2000).late);
}

TEST(deadlines, only_the_oldest_of_several_is_charged_when_nothing_starts) {
  lane stuck;
  stuck.post(0, 2, 1100, 500);
  stuck.post(63, 1, 1000, 500);
  (void)stuck.at(1600);
  const auto late = stuck.at(2100).late;
  ASSERT_TRUE(late);
  EXPECT_EQ(late->call_id, 1U);
}

TEST(deadlines, a_charge_between_two_calls_is_void_when_another_call_proves_to_be_next) {
  lane queue;  // posted in one batch: the same stamp, and the ring began at slot 5
  queue.post(5, 1, 100, 100);
  queue.post(0, 2, 100, 100);
  (void)queue.at(250);  // the look falls between two calls and charges one of them
  queue.start(5, 251);
  EXPECT_FALSE(queue.at(349).late);
  queue.finish(5);
  EXPECT_FALSE(queue.at(351).late);
  queue.start(0, 352);
  EXPECT_EQ(queue.at(352).next_look_ns, 451U);  // it was charged, rightly, a moment before it started
}

TEST(deadlines, a_stamp_in_the_future_gains_at_most_one_limit) {
  lane liar;
  liar.post(0, 1, 1000, 500);
  liar.start(0, base::never_ns);
  EXPECT_EQ(liar.at(1500).next_look_ns, 2000U);  // first seen now: clamped to now
  EXPECT_TRUE(liar.at(2000).late);
}

TEST(deadlines, a_stamp_before_the_post_is_clamped_to_it) {
  lane liar;
  liar.post(0, 1, 1000, 500);
  liar.start(0, 1);
  EXPECT_EQ(liar.at(1100).next_look_ns, 1500U);
}

TEST(deadlines, a_stamp_that_keeps_changing_is_read_once) {
  lane liar;
  liar.post(0, 1, 1000, 500);
  liar.start(0, 1100);
  (void)liar.at(1200);
  liar.start(0, 1500);
  EXPECT_EQ(liar.at(1550).next_look_ns, 1600U);
  liar.look.started = 0;  // and taking the mark back does not help
  EXPECT_TRUE(liar.at(1600).late);
}

TEST(deadlines, a_start_that_is_admitted_late_counts_from_the_charge) {
  lane liar;
  liar.post(0, 1, 1000, 500);
  (void)liar.at(1500);
  liar.start(0, 1990);
  EXPECT_TRUE(liar.at(2000).late);
}

TEST(deadlines, hiding_a_call_behind_others_that_are_finished_for_ever_is_bounded) {
  lane liar;
  liar.post(0, 1, 0, 100);
  std::uint64_t now = 100;
  std::uint64_t call_id = 2;
  while (!liar.at(now).late && now < 1'000'000) {
    liar.post(1, call_id++, now, 100);  // a fresh call each time, served at once
    liar.finish(1);
    now += 99;
  }
  EXPECT_LE(now, 100U * (shm::slots_per_lane + 3U));
}

TEST(deadlines, a_reused_slot_starts_afresh) {
  lane one;
  one.post(0, 1, 1000, 500);
  one.start(0, 1000);
  (void)one.at(1400);
  one.finish(0);
  one.post(0, 2, 1450, 500);
  EXPECT_EQ(one.at(1500).next_look_ns, 1950U);
  one.start(0, 1460);
  EXPECT_FALSE(one.at(1900).late);
  EXPECT_EQ(one.at(1900).next_look_ns, 1960U);
}

TEST(deadlines, a_new_worker_is_not_charged_for_the_last_one) {
  lane one;
  one.post(0, 1, 1000, 500);
  one.start(0, 1000);
  (void)one.at(1400);
  one.deadlines.forget();
  one.start(0, 1450);
  EXPECT_EQ(one.at(1499).next_look_ns, 1950U);
}

TEST(deadlines, interleaved_calls_each_have_their_own_limit) {
  lane many;
  many.post(0, 1, 1000, 500);
  many.post(1, 2, 1000, 300);
  many.start(0, 1000);
  many.start(1, 1100);
  EXPECT_EQ(many.at(1200).next_look_ns, 1400U);
  const auto late = many.at(1600).late;
  ASSERT_TRUE(late);
  EXPECT_EQ(late->call_id, 2U) << "the one that was due first";
}

TEST(deadlines, an_abort_grace_ends_a_call_whether_it_was_started_or_not) {
  for (const bool started : {true, false}) {
    lane one;
    one.post(0, 1, 1000, 0);
    if (started) one.start(0, 1000);
    one.look.calls[0].kill_at_ns = 1200;
    EXPECT_EQ(one.at(1100).next_look_ns, 1200U);
    const auto late = one.at(1200).late;
    ASSERT_TRUE(late);
    EXPECT_EQ(late->reason, verdict_reason::aborted);
  }
}

TEST(deadlines, of_a_limit_and_a_grace_the_earlier_is_the_reason) {
  lane one;
  one.post(0, 1, 1000, 500);
  one.start(0, 1000);
  one.look.calls[0].kill_at_ns = 1600;
  EXPECT_EQ(one.at(2000).late->reason, verdict_reason::timed_out);
  one.look.calls[0].kill_at_ns = 1400;
  EXPECT_EQ(one.at(2000).late->reason, verdict_reason::aborted);
}

TEST(deadlines, an_enormous_limit_does_not_overflow_into_the_past) {
  lane one;
  one.post(0, 1, 1000, base::never_ns - 10);
  one.start(0, 1000);
  EXPECT_EQ(one.at(2000).next_look_ns, base::never_ns);
  EXPECT_FALSE(one.at(2000).late);
}

TEST(deadlines, a_header_that_could_not_be_read_whole_is_looked_at_again_soon) {
  lane one;
  one.look.in_flight = 1;
  EXPECT_LT(one.at(1000).next_look_ns, base::never_ns);
}

TEST(deadlines, whatever_the_words_say_the_next_look_lies_ahead_and_a_late_call_is_in_flight) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  lane any;
  std::uint64_t now = 1;
  for (int round = 0; round < 20'000; ++round) {
    now += random() % 1000;
    any.look.in_flight = random();
    any.look.known = any.look.in_flight & random();
    any.look.started = random();
    any.look.done = random() & random();
    for (call_look& call : any.look.calls) {
      call = {.call_id = random() % 4,
              .posted_at_ns = random() % 2000,
              .limit_ns = random() % 3 == 0 ? random() : random() % 500,
              .started_at_ns = random(),
              .kill_at_ns = random() % 5 == 0 ? random() % 2000 : 0};
    }
    const outlook seen = any.at(now);
    EXPECT_GT(seen.next_look_ns, now);
    if (seen.late) {
      EXPECT_TRUE(shm::test(any.look.in_flight, seen.late->slot));
      EXPECT_LE(seen.late->due_ns, now);
    }
  }
}

// ---- processor time -------------------------------------------------------------------------------------------------

constexpr std::uint64_t ms = 1'000'000;

TEST(processor_time, is_looked_at_when_every_core_could_have_used_it_up) {
  lane one;
  one.post(0, 1, 10, base::never_ns);
  EXPECT_EQ(one.at(20, 0).next_look_ns, 10 + 250 * ms) << "it has not started";
  one.start(0, 30);
  EXPECT_EQ(one.at(40, 0).next_look_ns, 40 + 250 * ms);
  EXPECT_EQ(one.at(300 * ms, 600 * ms).next_look_ns, 400 * ms) << "400 ms are left, on four cores";
  EXPECT_EQ(one.at(400 * ms, 999'999'999).next_look_ns, 401 * ms) << "not oftener than every millisecond";
  const outlook over = one.at(401 * ms, 1'000 * ms);
  ASSERT_TRUE(over.late);
  EXPECT_EQ(over.late->reason, verdict_reason::cpu_limit);
  EXPECT_EQ(over.late->cpu_used_ns, 1'000 * ms);
}

TEST(processor_time, counts_from_what_the_worker_had_used_when_the_call_was_started) {
  lane one;
  one.post(0, 1, 10, base::never_ns);
  one.start(0, 30);
  one.look.cpu_ns = 5'000 * ms;
  EXPECT_FALSE(one.at(5'000 * ms, 5'999 * ms).late);
  EXPECT_TRUE(one.at(5'001 * ms, 6'000 * ms).late);
}

TEST(processor_time, of_a_worker_that_says_it_has_only_just_begun_counts_from_the_first_look) {
  lane liar;
  liar.post(0, 1, 10, base::never_ns);
  liar.start(0, 30);
  liar.look.cpu_ns = base::never_ns;
  EXPECT_FALSE(liar.at(250 * ms, 900 * ms).late);
  liar.look.cpu_ns = base::never_ns - 1;
  EXPECT_FALSE(liar.at(500 * ms, 1'899 * ms).late);
  EXPECT_TRUE(liar.at(501 * ms, 1'900 * ms).late);
}

TEST(processor_time, of_a_worker_that_never_says_it_has_started_counts_from_the_charge) {
  lane liar;
  liar.post(0, 1, 0, base::never_ns);
  EXPECT_EQ(liar.at(100 * ms, 100 * ms).next_look_ns, 250 * ms);
  EXPECT_FALSE(liar.at(250 * ms, 300 * ms).late) << "charged";
  EXPECT_FALSE(liar.at(400 * ms, 1'299 * ms).late);
  EXPECT_TRUE(liar.at(401 * ms, 1'300 * ms).late);
  // Nor does it gain by starting then.
  liar.start(0, 401 * ms);
  liar.look.cpu_ns = 1'300 * ms;
  EXPECT_TRUE(liar.at(402 * ms, 1'300 * ms).late);
}

TEST(processor_time, is_not_charged_to_a_call_that_waits_behind_another) {
  lane two;
  two.post(0, 1, 0, base::never_ns);
  two.post(1, 2, 0, base::never_ns);
  two.start(0, 0);
  EXPECT_FALSE(two.at(300 * ms, 900 * ms).late);
  two.finish(0);
  two.start(1, 300 * ms);
  two.look.cpu_ns = 950 * ms;
  EXPECT_FALSE(two.at(600 * ms, 1'900 * ms).late);
  EXPECT_TRUE(two.at(601 * ms, 1'950 * ms).late);
}

TEST(processor_time, and_time_on_the_clock_end_a_call_whichever_is_over_first) {
  lane one;
  one.post(0, 1, 1 * ms, 500 * ms);
  one.start(0, 1 * ms);
  EXPECT_EQ(one.at(499 * ms, 10 * ms).next_look_ns, 501 * ms);
  const outlook over = one.at(501 * ms, 20 * ms);
  ASSERT_TRUE(over.late);
  EXPECT_EQ(over.late->reason, verdict_reason::timed_out);
}

}  // namespace
}  // namespace selvage::supervisor

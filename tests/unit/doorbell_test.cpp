// Proves shm/doorbell.hpp: absolute times, many words at once, other processes, read-only pages, signals in between.

#include "shm/doorbell.hpp"

#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#include <atomic>
#include <thread>
#include <vector>

#include "shm/segment.hpp"
#include "tests/support/child.hpp"
#include "tests/support/lane_memory.hpp"

namespace {

using namespace selvage::shm;
using selvage::shm::access;  // and not access(2)
using namespace std::chrono_literals;
using selvage::base::now_ns;
using selvage::tests::child;
using selvage::tests::shared_array;

constexpr std::uint64_t ms = 1'000'000;

TEST(doorbell, a_word_that_has_changed_is_not_waited_for) {
  const word32 word{5};
  wait_on(word, 4);  // a hang is the failure
  const watched_word watched[] = {{&word, 4}};
  wait_on_any(watched);
}

TEST(doorbell, a_time_that_has_passed_is_not_waited_for) {
  const word32 word{5};
  const watched_word watched[] = {{&word, 5}};
  for (const std::uint64_t past : {std::uint64_t{0}, std::uint64_t{1}, now_ns()}) {
    wait_on(word, 5, past);
    wait_on_any(watched, past);
  }
}

TEST(doorbell, waiting_lasts_until_the_given_time_and_not_for_it) {
  const word32 word{5};
  for (int i = 0; i < 5; ++i) {
    const std::uint64_t until = now_ns() + 20 * ms;
    wait_on(word, 5, until);
    EXPECT_GE(now_ns(), until);
  }
}

TEST(doorbell, waiting_for_many_words_lasts_until_the_given_time) {
  std::vector<word32> words(max_lanes + 8);
  std::vector<watched_word> watched;
  for (const word32& word : words) watched.push_back({&word, 0});
  for (const std::size_t count : {std::size_t{1}, std::size_t{2}, watched.size()}) {
    const std::uint64_t until = now_ns() + 20 * ms;
    wait_on_any(std::span(watched).first(count), until);
    EXPECT_GE(now_ns(), until) << count << " words";
  }
}

TEST(doorbell, any_one_of_128_words_wakes_the_sleeper) {
  std::vector<word32> words(128);
  std::vector<watched_word> watched;
  for (const word32& word : words) watched.push_back({&word, 0});
  for (const unsigned rung : {0U, 1U, 64U, 127U}) {
    for (auto& one : watched) one.expected = one.word->load(std::memory_order_relaxed);
    const std::uint32_t before = watched[rung].expected;
    std::thread ringer([&] {
      std::this_thread::sleep_for(10ms);
      ring(words[rung]);
    });
    while (words[rung].load(std::memory_order_acquire) == before) wait_on_any(watched);
    ringer.join();
    EXPECT_EQ(words[rung].load(std::memory_order_relaxed), before + 1);
  }
}

TEST(doorbell, any_one_of_128_words_that_has_changed_ends_the_wait) {
  std::vector<word32> words(128);
  std::vector<watched_word> watched;
  for (const word32& word : words) watched.push_back({&word, 0});
  words[127].store(1, std::memory_order_relaxed);
  wait_on_any(watched);
}

TEST(doorbell, it_counts_up_and_over) {
  word32 bell{~std::uint32_t{0}};
  ring(bell);
  EXPECT_EQ(bell.load(std::memory_order_relaxed), 0U);
}

TEST(doorbell, rings_of_several_threads_are_all_counted) {
  // A ring that were lost could take the bell back to a value that a sleeper is about to wait for.
  word32 bell{0};
  std::vector<std::thread> ringers;
  for (int i = 0; i < 4; ++i) {
    ringers.emplace_back([&] {
      for (int n = 0; n < 20'000; ++n) ring(bell);
    });
  }
  for (auto& one : ringers) one.join();
  EXPECT_EQ(bell.load(std::memory_order_relaxed), 80'000U);
}

// A bell in a segment, rung through the writable mapping, and the same page mapped read-only.
struct bell_page {
  descriptors segment = create_segment({.lanes = 1, .request_arena_bytes = 0, .response_arena_bytes = 0});
  mapping writable{segment.read_write.get(), access::read_write, page_bytes, page_bytes};

  word32& bell() { return reinterpret_cast<host_control*>(writable.data())->parked; }
  [[nodiscard]] mapping map_read_only() const {
    return {segment.read_only.get(), access::read_only, page_bytes, page_bytes};
  }
};

const word32& bell_in(const mapping& mapped) { return reinterpret_cast<const host_control*>(mapped.data())->parked; }

TEST(doorbell, a_sleeper_on_a_read_only_page_of_another_process_is_woken) {
  for (const bool many : {false, true}) {
    bell_page page;
    const shared_array<word32> about_to_sleep(1);
    child sleeper([&] {
      const mapping seen = page.map_read_only();
      const word32& bell = bell_in(seen);
      const watched_word watched[] = {{&bell, 0}};
      about_to_sleep[0].store(1, std::memory_order_release);
      while (bell.load(std::memory_order_acquire) == 0) many ? wait_on_any(watched) : wait_on(bell, 0);
      return 0;
    });
    while (about_to_sleep[0].load(std::memory_order_acquire) == 0) std::this_thread::sleep_for(1ms);
    std::this_thread::sleep_for(10ms);  // most likely asleep by now; right either way
    ring(page.bell());
    EXPECT_EQ(sleeper.exit_status(), 0);
  }
}

TEST(doorbell, a_nudge_through_a_read_only_page_wakes_a_sleeper_of_another_process) {
  bell_page page;
  child nudger([&] {
    const mapping seen = page.map_read_only();
    for (;;) {
      nudge(bell_in(seen));
      std::this_thread::sleep_for(1ms);
    }
    return 1;
  });
  wait_on(page.bell(), 0);  // a hang is the failure
  EXPECT_EQ(page.bell().load(std::memory_order_relaxed), 0U);
}

std::atomic<int> signals_seen{0};

TEST(doorbell, signals_neither_end_the_pattern_nor_lose_a_ring) {
  struct sigaction action = {};
  action.sa_handler = [](int) { signals_seen.fetch_add(1, std::memory_order_relaxed); };  // and no SA_RESTART
  struct sigaction previous;
  ASSERT_EQ(::sigaction(SIGUSR1, &action, &previous), 0);

  word32 bell{0};
  const pthread_t waiter = ::pthread_self();
  std::thread ringer([&] {
    for (int i = 0; i < 200; ++i) {
      ::pthread_kill(waiter, SIGUSR1);
      std::this_thread::sleep_for(100us);
      if (i % 20 == 19) ring(bell);
    }
  });
  const watched_word watched[] = {{&bell, 0}};
  std::uint32_t seen = 0;
  for (bool many = false; seen < 10; many = !many) {
    if (many && seen == 0) {
      wait_on_any(watched);
    } else {
      wait_on(bell, seen);
    }
    seen = bell.load(std::memory_order_acquire);
  }
  ringer.join();
  ::sigaction(SIGUSR1, &previous, nullptr);
  EXPECT_GT(signals_seen.load(std::memory_order_relaxed), 0);
}

}  // namespace

// FAILURES rows 14 and 15 at the pool's level: workers that write what they like into the region that is theirs. The
// tasks run in the mode without a sandbox.
#include <atomic>
#include <random>
#include <thread>

#include "tests/support/pool_fixture.hpp"
#include "tests/support/random.hpp"
#include "tests/support/worker_view.hpp"
#include "tests/victims/victims.hpp"

namespace selvage::test {
namespace {

using pool_lies = pool_survives;

/// In a worker: goes on in a thread of its own while the worker seems to serve, until the worker is killed.
template <class Lie>
void tell_for_ever(Lie lie) {
  std::thread([lie]() mutable {
    for (;;) lie();
  }).detach();
}

enum class target : int { everything, words, headers, arena, crash_record, plausible_headers };

std::span<std::uint64_t> words_at(void* from, std::size_t bytes) {
  return {static_cast<std::uint64_t*>(from), bytes / sizeof(std::uint64_t)};
}

/// Headers that are almost true: they get past the first checks.
void write_plausible_header(const victims::lane_of_worker& lane, std::mt19937_64& noise) {
  const unsigned slot = static_cast<unsigned>(noise() % 64);
  shm::response_header& header = lane.response.headers[slot];
  const std::uint64_t arena = lane.response_bytes - shm::response_layout::arena;
  const auto about = [&noise](std::uint64_t n) { return n - 64 + noise() % 128; };
  const std::uint64_t numbers[] = {
      0, 16, 80, 81, 4096, about(arena), about(arena / 8), noise() % arena, ~std::uint64_t{0}, about(0)};
  if (noise() % 2 == 0) header.call_id = lane.request.headers[slot].call_id.load(std::memory_order_relaxed);
  header.status = static_cast<std::uint8_t>(noise() % 8);
  header.form = static_cast<std::uint8_t>(noise() % 5);
  header.in_arena = static_cast<std::uint8_t>(noise() % 2);
  header.offset = numbers[noise() % std::size(numbers)];
  header.length = numbers[noise() % std::size(numbers)];
  header.service_ns = noise();
  header.started_at_ns.store(noise(), std::memory_order_relaxed);
}

void scribble(target at, std::uint64_t seed) {
  const victims::lane_of_worker lane = victims::own_lane();
  const std::span<std::uint64_t> area = [&] {
    auto* const region = reinterpret_cast<std::byte*>(lane.response.words);
    switch (at) {
      case target::words:
        return words_at(region, sizeof(shm::response_words));
      case target::headers:
        return words_at(lane.response.headers, shm::slots_per_lane * sizeof(shm::response_header));
      case target::crash_record:
        return words_at(lane.response.crash, sizeof(shm::crash_record));
      case target::arena:
        return words_at(lane.response.arena, lane.response_bytes - shm::response_layout::arena);
      default:
        return words_at(region, lane.response_bytes);
    }
  }();
  tell_for_ever([=, noise = std::mt19937_64(seed)]() mutable {
    if (at == target::plausible_headers) return write_plausible_header(lane, noise);
    for (int i = 0; i < 64; ++i) area[noise() % area.size()] = noise() % 3 == 0 ? noise() % 200 : noise();
  });
}

struct shape {
  std::string name;
  std::vector<std::string> tags;
  double weight = 0;
};

class pool_scribbler : public pool_survives, public ::testing::WithParamInterface<target> {};

// FAILURES row 14
TEST_P(pool_scribbler, costs_calls_of_its_own_lane_and_nothing_else) {
  tests::random_source random;
  const auto lie = selvage::task("lie", [](int at, std::uint64_t seed) { scribble(static_cast<target>(at), seed); });
  const auto echo = selvage::task("echo", [](const std::string& text) { return text; });
  const auto copy = selvage::task("copy", [](const shape& it) { return it; });
  // Every call has a limit: a worker that lost the bit of an answer looks like one that hangs.
  pool pool(watched({.workers = 2,
                     .arena = {.initial = 256_KiB, .maximum = 1_MiB},
                     .timeout = 50ms,
                     .restart = {.budget = 1000}}),
            add, echo, copy, lie);
  const std::uint64_t end = base::now_ns() + 2'000'000'000;
  std::uint64_t calls = 0, failed = 0;
  while (base::now_ns() < end) {
    pool.call(lie, static_cast<int>(GetParam()), random.bits()).detach();
    std::vector<future<int>> sums;
    std::vector<future<std::string>> echoes;
    std::vector<future<shape>> copies;
    for (int i = 0; i < 40; ++i) {
      sums.push_back(pool.call(add, i, 1));
      echoes.push_back(pool.call(echo, std::string(random.below(20'000), 'e')));
      copies.push_back(pool.call(copy, shape{"shape", {"a", std::string(100, 'b'), ""}, 1.5}));
    }
    const auto settle = [&](auto& futures) {
      for (auto& each : futures) {
        ++calls;
        failed += each.result().has_value() ? 0 : 1;  // a value may be a lie as well: only its worker is to blame
      }
    };
    settle(sums);
    settle(echoes);
    settle(copies);
  }
  RecordProperty("calls", std::to_string(calls));
  for (const int pid : worker_pids(pool)) ::kill(pid, SIGKILL);  // an end to the lies
  ASSERT_TRUE(holds_in_the_end([&] { return pool.call(add, 1, 2).result().has_value(); }));
  expect_usable(pool);
}

std::string name_of_target(const ::testing::TestParamInfo<target>& info) {
  constexpr const char* names[] = {"everything", "the_words",        "the_headers",
                                   "the_arena",  "the_crash_record", "plausible_headers"};
  return names[static_cast<int>(info.param)];
}
INSTANTIATE_TEST_SUITE_P(over, pool_scribbler,
                         ::testing::Values(target::everything, target::words, target::headers, target::arena,
                                           target::crash_record, target::plausible_headers),
                         &name_of_target);

// FAILURES row 14: one noise, then silence.
TEST_F(pool_lies, a_worker_that_overwrote_everything_once_is_outlived) {
  tests::random_source random;
  const auto lie = selvage::task("lie", &victims::scribble_over_the_responses, {.timeout = 50ms});
  const auto limited = selvage::task("limited", &add_numbers, {.timeout = 50ms});
  pool pool(watched({.workers = 2, .restart = {.budget = 1000}}), add, lie, limited);
  for (int round = 0; round < 20; ++round) {
    (void)pool.call(lie, random.bits()).result();
    for (int i = 0; i < 20; ++i) (void)pool.call(limited, i, 1).result();
  }
  for (const int pid : worker_pids(pool)) ::kill(pid, SIGKILL);
  (void)pool.call(add, 1, 1).result();
  expect_usable(pool);
}

// FAILURES row 14: it says that the call is done where nobody looks, and takes that back before anybody does.
TEST_F(pool_lies, a_call_that_was_said_to_be_done_in_secret_meets_its_limit_all_the_same) {
  const auto lie = selvage::task("lie",
                                 [](bool take_back) {
                                   ::usleep(10'000);  // the host sleeps by now
                                   shm::word64& done = victims::own_lane().response.words->done;
                                   const std::uint64_t honest = done.load();
                                   done.store(honest ^ shm::bit(slot_that_runs()));
                                   ::usleep(200'000);  // the limit passes
                                   if (take_back) done.store(honest);
                                   victims::sleep_for_ever();
                                 },
                                 {.timeout = 100ms});
  pool pool(watched({.workers = 1, .spin = {.host = 0ns}}), add, lie);
  for (const bool take_back : {true, false}) {
    const errc code = code_of(pool.call(lie, take_back).result());
    EXPECT_TRUE(code == errc::timed_out || code == errc::bad_response) << to_string(code);
    for (const int pid : worker_pids(pool)) ::kill(pid, SIGKILL);
    (void)pool.call(add, 1, 1).result();
  }
  expect_usable(pool);
}

// BEHAVIOURS: a caller that stops reading results holds back only itself.
TEST_F(pool_lies, a_result_that_nobody_collects_does_not_cost_the_worker_its_life) {
  const auto limited = selvage::task("limited", &add_numbers, {.timeout = 20ms});
  pool pool(watched({.workers = 1}), add, limited);
  auto sum = pool.call(limited, 1, 2);
  ::usleep(300'000);  // many limits later
  EXPECT_EQ(sum.get(), 3);
  EXPECT_EQ(pool.stats().restarts.timed_out, 0U);
}

// ---- FAILURES row 15 --------------------------------------------------------------------------------------------

// FAILURES row 15
TEST_F(pool_lies, a_forged_crash_record_is_not_believed_and_is_counted) {
  const auto lie = selvage::task("lie", [] {
    victims::forge_a_crash_record();
    victims::kill_itself();
  });
  pool pool(watched({.workers = 1}), add, lie);
  const auto outcome = pool.call(lie).result();
  ASSERT_EQ(code_of(outcome), errc::crashed);
  EXPECT_EQ(outcome.error().details().signal, SIGKILL);  // the kernel's word, not the record's SIGILL
  EXPECT_TRUE(outcome.error().details().stack.empty());
  EXPECT_EQ(pool.stats().lanes.at(0).forged, 1U);
  expect_usable(pool);
}

// FAILURES row 15
TEST_F(pool_lies, completions_of_calls_that_were_not_posted_are_ignored_and_counted) {
  const auto lie = selvage::task("lie", [] {
    shm::word64& done = victims::own_lane().response.words->done;
    done.store(~done.load() ^ shm::bit(slot_that_runs()));  // every call's but its own
    ::usleep(20'000);
  });
  pool pool(watched({.workers = 1}), add, lie);
  expect_usable(pool);
  const auto settled_before = pool.stats().succeeded;
  auto lying = pool.call(lie);
  ::usleep(10'000);
  (void)pool.call(add, 1, 2).result();
  (void)lying.result();
  expect_usable(pool);
  EXPECT_EQ(pool.stats().succeeded + pool.stats().failed, settled_before + 102);
  EXPECT_GT(pool.stats().lanes.at(0).forged, 0U);
}

// FAILURES row 15
TEST_F(pool_lies, a_forged_completion_of_a_call_that_waits_settles_it_once) {
  const auto lie = selvage::task("lie", [] { victims::forge_completions(); });
  pool pool(watched({.workers = 1, .depth = {.maximum = 64, .window = 1h}, .timeout = 100ms}), add, lie);
  for (int round = 0; round < 20; ++round) {
    auto lying = pool.call(lie);
    std::vector<future<int>> sums;
    for (int i = 0; i < 30; ++i) sums.push_back(pool.call(add, i, 1));
    (void)lying.result();
    for (auto& each : sums) (void)each.result();  // exactly once each: the ledger of the fixture sees to it
  }
  for (const int pid : worker_pids(pool)) ::kill(pid, SIGKILL);
  (void)pool.call(add, 1, 1).result();
  expect_usable(pool);
}

// FAILURES row 15: it says that its successor is ready.
TEST_F(pool_lies, a_readiness_of_the_next_epoch_is_not_believed_of_a_worker_of_this_one) {
  blackboard notes;
  const auto lie = selvage::task("lie", [] {
    shm::response_words& words = *victims::own_lane().response.words;
    words.ready_epoch.store(words.ready_epoch.load() + 1);
    victims::kill_itself();
  });
  pool pool(watched({.workers = 1,
                     .initializer =
                         [&notes] {
                           if (++notes[0] > 1) ::usleep(50'000);  // time for a host that believes to post too early
                         }}),
            add, lie);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(code_of(pool.call(lie).result()), errc::crashed);
    EXPECT_EQ(pool.call(add, i, 2).get(), i + 2);
  }
  expect_usable(pool);
}

// FAILURES row 15: an answer under the name of another call.
TEST_F(pool_lies, an_answer_for_another_call_is_a_bad_response) {
  const auto lie = selvage::task("lie", [] {
    const victims::lane_of_worker lane = victims::own_lane();
    const unsigned slot = slot_that_runs();
    lane.response.headers[slot].call_id = 4711;
    lane.response.headers[slot].status = static_cast<std::uint8_t>(shm::response_status::ok);
    lane.response.words->done.store(lane.response.words->done.load() ^ shm::bit(slot));
    ::usleep(5'000);
    victims::kill_itself();
  });
  pool pool(watched({.workers = 1}), add, lie);
  const auto outcome = pool.call(lie).result();
  EXPECT_EQ(code_of(outcome), errc::bad_response);
  EXPECT_EQ(pool.stats().lanes.at(0).bad_responses, 1U);
  (void)pool.call(add, 1, 1).result();
  expect_usable(pool);
}

}  // namespace
}  // namespace selvage::test

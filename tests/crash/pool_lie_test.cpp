// FAILURES rows 14 and 15 at the pool's level: workers that write what they like into the region that is theirs. The
// tasks run in the mode without a sandbox.
#include <cstring>

#include "tests/support/pool_fixture.hpp"
#include "tests/support/random.hpp"
#include "tests/support/scribble.hpp"
#include "tests/support/shared_words.hpp"
#include "tests/support/worker_view.hpp"
#include "tests/victims/victims.hpp"

namespace selvage::test {
namespace {

using pool_lies = pool_survives;

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
    auto lying = pool.call(lie, static_cast<int>(GetParam()), random.bits());
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
    (void)lying.result();  // or it might be put back, and begin after the end
  }
  RecordProperty("calls", std::to_string(calls));
  replace_workers(pool);  // an end to the lies
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
  replace_workers(pool);
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
    replace_workers(pool);
  }
  expect_usable(pool);
}

// BEHAVIOURS: a caller that stops reading results holds back only itself.
TEST_F(pool_lies, a_result_that_nobody_collects_does_not_cost_the_worker_its_life) {
  const auto limited = selvage::task("limited", &add_numbers, {.timeout = 500ms});
  pool pool(watched({.workers = 1}), add, limited);
  auto sum = pool.call(limited, 1, 2);
  ::usleep(1'500'000);  // three limits later
  EXPECT_EQ(sum.get(), 3);
  EXPECT_EQ(pool.stats().restarts.timed_out, 0U);
}

// ---- FAILURES row 15 --------------------------------------------------------------------------------------------

// FAILURES row 15
// A table is looked at when its value is asked for, and pool and task may be gone by then.
TEST_F(pool_lies, an_answer_that_was_spoilt_is_told_after_the_pool_and_the_task_are_gone) {
  const shared_words spoilt(1);
  const std::string name = "a task whose name is too long for a small string";
  std::optional<future<std::vector<std::string>>> told;
  {
    const auto lies = selvage::task(name, [&spoilt](int) {
      const std::uint64_t before = victims::own_lane().response.words->done.load();
      std::thread([&spoilt, before] {
        const auto lane = victims::own_lane();
        while (lane.response.words->done.load() == before) ::usleep(100);
        std::memset(lane.response.arena, 0xff, 4096);
        spoilt[0] = 1;
      }).detach();
      return std::vector<std::string>(10, std::string(100, 'x'));
    });
    pool pool(watched({.workers = 1}), lies);
    told.emplace(pool.call(lies, 1));
    ASSERT_TRUE(holds_in_the_end([&] { return spoilt[0] == 1; }));
    told->wait();
  }
  const auto outcome = told->result();
  ASSERT_EQ(code_of(outcome), errc::bad_response);
  EXPECT_EQ(outcome.error().details().task, name);
}

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

// FAILURES row 15: true but for one field.
TEST_F(pool_lies, a_crash_record_of_an_earlier_worker_or_of_another_signal_is_not_believed_and_is_counted) {
  const auto lie = selvage::task("lie", [](int of_epoch, int signal) {
    shm::response_words& words = *victims::own_lane().response.words;
    shm::crash_record& record = *victims::own_lane().response.crash;
    record.signal = signal;
    record.epoch = words.ready_epoch.load() - static_cast<std::uint64_t>(of_epoch);
    record.frame_count = 1;
    record.frames[0] = 0x1234;
    record.kind.store(static_cast<std::uint32_t>(shm::crash_kind::signal));
    victims::kill_itself();
  });
  pool pool(watched({.workers = 1}), add, lie);
  EXPECT_EQ(code_of(pool.call(lie, 0, SIGKILL).result()), errc::crashed);
  EXPECT_EQ(pool.stats().lanes.at(0).forged, 0U);  // that one could be true
  for (const auto& [of_epoch, signal] : {std::pair(1, SIGKILL), std::pair(0, SIGSEGV)}) {
    const std::uint64_t forged = pool.stats().lanes.at(0).forged;
    const auto outcome = pool.call(lie, of_epoch, signal).result();
    ASSERT_EQ(code_of(outcome), errc::crashed);
    EXPECT_EQ(outcome.error().details().signal, SIGKILL);
    EXPECT_TRUE(outcome.error().details().stack.empty());
    EXPECT_EQ(pool.stats().lanes.at(0).forged, forged + 1);
  }
  expect_usable(pool);
}

// FAILURES row 15: true but for the number of frames.
TEST_F(pool_lies, a_crash_record_with_more_frames_than_it_holds_is_read_as_far_as_it_goes) {
  const auto lie = selvage::task("lie", [] {
    shm::crash_record& record = *victims::own_lane().response.crash;
    record.signal = SIGKILL;
    record.epoch = victims::own_lane().response.words->ready_epoch.load();
    record.frame_count = ~std::uint32_t{0};
    record.kind.store(static_cast<std::uint32_t>(shm::crash_kind::signal));
    victims::kill_itself();
  });
  pool pool(watched({.workers = 1}), add, lie);
  const auto outcome = pool.call(lie).result();
  ASSERT_EQ(code_of(outcome), errc::crashed);
  EXPECT_LE(outcome.error().details().stack.size(), shm::max_crash_frames);
  expect_usable(pool);
}

// FAILURES row 15
TEST_F(pool_lies, a_worker_that_says_that_its_predecessor_is_ready_harms_nobody) {
  const auto lie = selvage::task("lie", [] {
    shm::response_words& words = *victims::own_lane().response.words;
    words.ready_epoch.store(words.ready_epoch.load() - 1);
  });
  pool pool(watched({.workers = 2}), add, lie);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(pool.call(lie).result().has_value());
  expect_usable(pool);
  replace_workers(pool);
  expect_usable(pool);
}

// FAILURES row 15
TEST_F(pool_lies, completions_of_calls_that_were_not_posted_are_ignored_and_counted) {
  const gate gate;
  const auto lie = selvage::task("lie", [&gate] {
    shm::word64& done = victims::own_lane().response.words->done;
    done.store(~done.load() ^ shm::bit(slot_that_runs()));  // every call's but its own
    gate.pass();
  });
  pool pool(watched({.workers = 1, .depth = {.maximum = 64, .window = 1h}}), add, lie);
  expect_usable(pool);
  const auto settled_before = pool.stats().succeeded;
  auto lying = pool.call(lie);
  ASSERT_TRUE(holds_in_the_end([&] { return gate.arrived() == 1; }));
  EXPECT_EQ(code_of(pool.call(add, 1, 2).result()), errc::bad_response);  // answered before it was posted
  EXPECT_EQ(pool.stats().succeeded + pool.stats().failed, settled_before + 1);
  EXPECT_EQ(pool.stats().lanes.at(0).forged, 62U);
  gate.open();
  EXPECT_TRUE(lying.result().has_value());
  replace_workers(pool);  // this one still means to answer the call that failed
  expect_usable(pool);
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
  replace_workers(pool);
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
  ASSERT_EQ(code_of(outcome), errc::bad_response);
  EXPECT_EQ(outcome.error().details().task, "lie");
  EXPECT_NE(outcome.error().details().message, "");
  EXPECT_EQ(pool.stats().lanes.at(0).bad_responses, 1U);
  replace_workers(pool);
  expect_usable(pool);
}

}  // namespace
}  // namespace selvage::test

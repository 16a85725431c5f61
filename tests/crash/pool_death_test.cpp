// FAILURES rows 1 and 2 at the pool's level: however and whenever a worker dies, one call pays for it.
#include <sys/resource.h>

#include "tests/support/pool_fixture.hpp"
#include "tests/support/random.hpp"
#include "tests/support/shared_words.hpp"
#include "tests/support/worker_view.hpp"
#include "tests/victims/victims.hpp"

namespace selvage::test {
namespace {

using pool_deaths = pool_survives;

struct manner_of_death {
  const char* name;
  void (*victim)();
  errc code = errc::crashed;
  int signal = 0;
  int signal_code = 0;  ///< 0: whatever it is
  bool has_address = false;
  int exit_status = 0;
  const char* words = "";                ///< in the error's message
  std::vector<std::string> frames = {};  ///< one of them is in the error's stack
};

void PrintTo(const manner_of_death& how, std::ostream* out) { *out << how.name; }

constexpr int on_x86([[maybe_unused]] int signal_code) {
#if defined(__x86_64__)
  return signal_code;
#else
  return 0;  // its victim raises the signal itself
#endif
}

const std::vector<manner_of_death> manners = {
    {.name = "sigkill", .victim = &victims::kill_itself, .signal = SIGKILL, .words = "SIGKILL"},
    {.name = "sigsegv",
     .victim = &victims::dereference_null,
     .signal = SIGSEGV,
     .signal_code = SEGV_MAPERR,
     .words = "SIGSEGV",
     .frames = {"dereference_null", "write_at"}},
    {.name = "jump_to_null",
     .victim = &victims::call_null,
     .signal = SIGSEGV,
     .signal_code = SEGV_MAPERR,
     .words = "SIGSEGV",
     .frames = {"call_null"}},
    {.name = "sigbus",
     .victim = &victims::touch_behind_the_end,
     .signal = SIGBUS,
     .signal_code = BUS_ADRERR,
     .has_address = true,
     .words = "SIGBUS",
     .frames = {"touch_behind_the_end"}},
    {.name = "sigfpe",
     .victim = &victims::divide_by_zero,
     .signal = SIGFPE,
     .signal_code = on_x86(FPE_INTDIV),
     .words = "SIGFPE",
     .frames = {"divide_by_zero"}},
    {.name = "sigill",
     .victim = &victims::run_an_illegal_instruction,
     .signal = SIGILL,
     .signal_code = on_x86(ILL_ILLOPN),
     .words = "SIGILL",
     .frames = {"run_an_illegal_instruction"}},
    {.name = "sigabrt",
     .victim = &victims::abort_itself,
     .signal = SIGABRT,
     .signal_code = SI_TKILL,
     .words = "SIGABRT",
     .frames = {"abort"}},
    {.name = "sigtrap",
     .victim = &victims::hit_a_breakpoint,
     .signal = SIGTRAP,
     .words = "SIGTRAP",
     .frames = {"hit_a_breakpoint"}},
    {.name = "exit_at_once", .victim = [] { victims::exit_at_once(0); }, .code = errc::exited, .words = "_exit(0)"},
    {.name = "exit",
     .victim = [] { victims::exit_politely(3); },
     .code = errc::exited,
     .exit_status = 3,
     .words = "by exit(3)"},
    {.name = "quick_exit",
     .victim = [] { victims::exit_quickly(4); },
     .code = errc::exited,
     .exit_status = 4,
     .words = "quick_exit(4)"},
    {.name = "pthread_exit", .victim = &victims::leave_its_main_thread, .code = errc::exited},
    {.name = "uncaught_in_a_detached_thread",
     .victim = &victims::throw_in_a_detached_thread,
     .signal = SIGABRT,
     .words = "SIGABRT",
     .frames = {"terminate"}},
    {.name = "crash_in_a_second_thread",
     .victim = &victims::crash_in_a_second_thread,
     .signal = SIGSEGV,
     .words = "SIGSEGV",
     .frames = {"dereference_null", "write_at"}},
    {.name = "stack_overflow",
     .victim = &victims::overflow_the_stack,
     .signal = SIGSEGV,
     .has_address = true,
     .words = "SIGSEGV",
     .frames = {"descend"}},
    {.name = "smashed_stack", .victim = &victims::smash_its_stack, .signal = SIGSEGV, .words = "SIGSEGV"},
};

// FAILURES row 1
class pool_manner_of_death : public pool_survives, public ::testing::WithParamInterface<manner_of_death> {};

TEST_P(pool_manner_of_death, fails_the_call_that_ran_and_no_other) {
  const manner_of_death& how = GetParam();
  const auto die = selvage::task("die", how.victim);
  pool pool(watched({.workers = 2}), add, die);
  std::vector<future<int>> before, after;
  for (int i = 0; i < 40; ++i) before.push_back(pool.call(add, i, 1));
  auto dying = pool.call(die);
  for (int i = 0; i < 40; ++i) after.push_back(pool.call(add, i, 2));

  const auto outcome = dying.result();
  ASSERT_FALSE(outcome.has_value());
  const failure& what = outcome.error().details();
  EXPECT_EQ(what.code, how.code) << outcome.error().report();
  EXPECT_EQ(what.signal, how.signal) << outcome.error().report();
  EXPECT_EQ(what.exit_status, how.exit_status) << outcome.error().report();
  EXPECT_TRUE(how.signal_code == 0 || what.signal_code == how.signal_code) << what.signal_code;
  EXPECT_TRUE(!how.has_address || what.fault_address != 0);
  EXPECT_EQ(what.task, "die");
  EXPECT_GT(what.worker_pid, 0);
  EXPECT_NE(what.message.find(how.words), std::string::npos) << what.message;
  const bool seen = std::any_of(how.frames.begin(), how.frames.end(), [&](const std::string& name) {
    return std::any_of(what.stack.begin(), what.stack.end(),
                       [&](const std::string& frame) { return frame.find(name) != frame.npos; });
  });
  EXPECT_TRUE(how.frames.empty() || seen) << outcome.error().report();

  for (int i = 0; i < 40; ++i) {
    EXPECT_EQ(before[static_cast<std::size_t>(i)].get(), i + 1);
    EXPECT_EQ(after[static_cast<std::size_t>(i)].get(), i + 2);
  }
  expect_usable(pool);
}

INSTANTIATE_TEST_SUITE_P(each, pool_manner_of_death, ::testing::ValuesIn(manners),
                         [](const auto& info) { return std::string(info.param.name); });

// FAILURES row 1
TEST_F(pool_deaths, the_fault_address_of_a_segfault_is_told) {
  const auto write = selvage::task("write", &victims::write_at);
  pool pool(watched({.workers = 1}), add, write);
  const auto outcome = pool.call(write, std::uint64_t{0x1230}).result();
  ASSERT_EQ(code_of(outcome), errc::crashed);
  EXPECT_EQ(outcome.error().details().fault_address, 0x1230U);
  expect_usable(pool);
}

// FAILURES row 1
TEST_F(pool_deaths, the_address_of_a_stack_overflow_is_where_the_stack_ends) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_STACK, &limit), 0);
  if (limit.rlim_cur == RLIM_INFINITY) GTEST_SKIP() << "the stack has no limit (ulimit -s)";
  blackboard notes;
  const auto overflow = selvage::task("overflow", [&notes] {
    notes[0] = reinterpret_cast<std::uint64_t>(__builtin_frame_address(0));
    victims::overflow_the_stack();
  });
  pool pool(watched({.workers = 1}), add, overflow);
  const auto outcome = pool.call(overflow).result();
  ASSERT_EQ(code_of(outcome), errc::crashed);
  const std::uint64_t used = notes[0] - outcome.error().details().fault_address;
  EXPECT_LE(used, limit.rlim_cur + (64U << 10U));
  EXPECT_GE(used, limit.rlim_cur / 2);
  expect_usable(pool);
}

// FAILURES row 1
TEST_F(pool_deaths, the_last_words_on_standard_error_are_told) {
  const auto die = selvage::task("die", [] {
    ::dprintf(STDERR_FILENO, "I have seen the end\n");
    victims::kill_itself();
  });
  pool pool(watched({.workers = 1}), add, die);
  const auto outcome = pool.call(die).result();
  ASSERT_EQ(code_of(outcome), errc::crashed);
  EXPECT_NE(outcome.error().details().stderr_tail.find("I have seen the end"), std::string::npos);
  expect_usable(pool);
}

// FAILURES row 1: a hundred in a row, so that nothing of one death is found in the next.
TEST_F(pool_deaths, each_of_a_hundred_deaths_tells_its_own_story) {
  const auto exit = selvage::task("exit", [](int status) { ::_exit(status); });
  const auto write = selvage::task("write", &victims::write_at);
  pool pool(watched({.workers = 1}), add, exit, write);
  for (int i = 0; i < 50; ++i) {
    const auto exited = pool.call(exit, i).result();
    ASSERT_EQ(code_of(exited), errc::exited);
    EXPECT_EQ(exited.error().details().exit_status, i);
    EXPECT_EQ(exited.error().details().fault_address, 0U);
    const auto crashed = pool.call(write, static_cast<std::uint64_t>(16 * i)).result();
    ASSERT_EQ(code_of(crashed), errc::crashed);
    EXPECT_EQ(crashed.error().details().fault_address, static_cast<std::uint64_t>(16 * i));
  }
  expect_usable(pool);
  EXPECT_EQ(pool.stats().restarts.exited, 50U);
  EXPECT_EQ(pool.stats().restarts.crashed, 50U);
}

// ---- FAILURES row 2: at each step of a call ---------------------------------------------------------------------

/// One worker, and many calls posted ahead to it.
pool_options one_deep_lane() { return {.workers = 1, .depth = {.maximum = 64, .window = 1h}}; }

// FAILURES row 2
TEST_F(pool_deaths, calls_that_a_killed_worker_had_not_started_move_on) {
  pool pool(watched(one_deep_lane()), add);
  const int worker = worker_pids(pool).at(0);
  stop_process(worker);
  std::vector<future<int>> sums;
  for (int i = 0; i < 64; ++i) sums.push_back(pool.call(add, i, 1));   // a full mailbox
  for (int i = 0; i < 64; ++i) sums.push_back(pool.call(add, i, 65));  // and a queue
  ::kill(worker, SIGKILL);
  for (int i = 0; i < 128; ++i) EXPECT_EQ(sums[static_cast<std::size_t>(i)].get(), i + 1);
  expect_usable(pool);
  EXPECT_EQ(pool.stats().moved, 64U);
}

// FAILURES row 2: not to the dead one's successor, which never comes.
TEST_F(pool_deaths, calls_that_a_killed_worker_had_not_started_move_to_a_healthy_one) {
  const gate gate;
  blackboard notes;
  const auto held = selvage::task("held", [&gate] {
    gate.pass();
    return static_cast<int>(::getpid());
  });
  const auto who = selvage::task("who", [] { return static_cast<int>(::getpid()); });
  pool pool(watched({.workers = 2,
                     .balancer = balance::round_robin,
                     .depth = {.maximum = 64, .window = 1h},
                     .initializer =
                         [&notes] {
                           if (notes[0] != 0) victims::sleep_for_ever();
                         }}),
            held, who);
  const auto lanes = pool.stats().lanes;
  stop_process(lanes[0].worker_pid);
  std::vector<future<int>> calls;
  for (int i = 0; i < 2; ++i) calls.push_back(pool.call(held));
  for (int i = 0; i < 62; ++i) calls.push_back(pool.call(who));
  ASSERT_TRUE(holds_in_the_end([&] { return gate.arrived() == 1; }));
  notes[0] = 1;
  ::kill(lanes[0].worker_pid, SIGKILL);
  ASSERT_TRUE(holds_in_the_end([&] { return is_gone(lanes[0].worker_pid); }));
  gate.open();
  for (auto& each : calls) EXPECT_EQ(each.get(), lanes[1].worker_pid);
  EXPECT_GE(pool.stats().moved, 32U);  // and those that had been taken back from behind the held call
}

// FAILURES row 2
TEST_F(pool_deaths, large_arguments_of_calls_that_were_not_started_move_on_unharmed) {
  const auto sum = selvage::task("sum", [](std::span<const std::uint64_t> values) {
    std::uint64_t all = 0;
    for (const std::uint64_t value : values) all += value;
    return all;
  });
  pool pool(watched(one_deep_lane()), add, sum);
  const int worker = worker_pids(pool).at(0);
  stop_process(worker);
  std::vector<future<std::uint64_t>> sums;
  for (std::uint64_t i = 0; i < 32; ++i) sums.push_back(pool.call(sum, std::vector<std::uint64_t>(20'000, i)));
  ::kill(worker, SIGKILL);
  for (std::uint64_t i = 0; i < 32; ++i) EXPECT_EQ(sums[i].get(), 20'000 * i);
  expect_usable(pool);
}

// FAILURES row 2
TEST_F(pool_deaths, a_call_that_had_started_fails_and_those_behind_it_move_on) {
  blackboard notes;
  const auto wait = selvage::task("wait", [started = &notes[0]] {
    *started = 1;
    victims::sleep_for_ever();
  });
  pool pool(watched(one_deep_lane()), add, wait);
  auto waiting = pool.call(wait);
  std::vector<future<int>> sums;
  for (int i = 0; i < 63; ++i) sums.push_back(pool.call(add, i, 1));
  const int worker = worker_pids(pool).at(0);
  ASSERT_TRUE(holds_in_the_end([&] { return notes[0] == 1; }));
  ::kill(worker, SIGKILL);
  EXPECT_EQ(code_of(waiting.result()), errc::crashed);
  for (int i = 0; i < 63; ++i) EXPECT_EQ(sums[static_cast<std::size_t>(i)].get(), i + 1);
  expect_usable(pool);
}

// FAILURES row 2
TEST_F(pool_deaths, half_a_result_is_no_result) {
  const auto die = selvage::task("die", [] { victims::die_after_half_a_result(slot_that_runs()); });
  pool pool(watched(one_deep_lane()), add, die);
  auto dying = pool.call(die);
  std::vector<future<int>> sums;
  for (int i = 0; i < 40; ++i) sums.push_back(pool.call(add, i, 1));
  EXPECT_EQ(code_of(dying.result()), errc::crashed);
  for (int i = 0; i < 40; ++i) EXPECT_EQ(sums[static_cast<std::size_t>(i)].get(), i + 1);
  expect_usable(pool);
}

// FAILURES row 2
TEST_F(pool_deaths, a_result_that_was_published_before_the_death_is_delivered_though_nobody_rang) {
  const auto die = selvage::task("die", [] { victims::die_after_publishing(slot_that_runs()); });
  pool pool(watched(one_deep_lane()), add, die);
  auto dying = pool.call(die);
  std::vector<future<int>> sums;
  for (int i = 0; i < 40; ++i) sums.push_back(pool.call(add, i, 1));
  EXPECT_TRUE(dying.result().has_value());
  for (int i = 0; i < 40; ++i) EXPECT_EQ(sums[static_cast<std::size_t>(i)].get(), i + 1);
  expect_usable(pool);
}

// FAILURES row 2: every other step, by chance.
TEST_F(pool_deaths, a_kill_at_any_moment_leaves_one_outcome_for_each_call) {
  tests::random_source random;
  pool pool(watched({.workers = 2, .depth = {.window = 1ms}, .restart = {.budget = 1000, .backoff = 1ms}}), add);
  unsigned crashed = 0;
  for (int round = 0; round < 150; ++round) {
    std::vector<future<int>> sums;
    for (int i = 0; i < 200; ++i) sums.push_back(pool.call(add, i, round));
    const auto pids = worker_pids(pool);
    for (std::uint64_t i = random.below(30'000); i > 0; --i) shm::spin_pause();
    if (!pids.empty()) ::kill(pids[random.below(pids.size())], SIGKILL);
    for (int i = 0; i < 200; ++i) {
      const auto sum = sums[static_cast<std::size_t>(i)].result();
      if (sum) {
        ASSERT_EQ(*sum, i + round);
        continue;
      }
      ++crashed;
      ASSERT_TRUE(sum.error().code() == errc::crashed || sum.error().code() == errc::quarantined)
          << sum.error().report();
    }
  }
  EXPECT_LE(crashed, 150U);  // a death has at most one running call
  expect_usable(pool);
}

// BEHAVIOURS: a predecessor hangs on every second call.
TEST_F(pool_deaths, the_next_call_on_the_lane_of_a_killed_worker_works) {
  pool pool(watched({.workers = 1, .restart = {.budget = 1000, .backoff = 1ms}}), add);
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(pool.call(add, i, 1).get(), i + 1);
    kill_workers(pool);
    ASSERT_EQ(pool.call(add, i, 2).get(), i + 2);
    ASSERT_EQ(pool.call(add, i, 3).get(), i + 3);
  }
}

}  // namespace
}  // namespace selvage::test

// The harness alternates, watches the gaps and survives what it measures; the command line says what it does not
// understand.
#include "harness.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string>

#include "limits/ping_pong.hpp"
#include "options.hpp"
#include "process_tree.hpp"

namespace {

using namespace selvage::bench;

tl::expected<settings, std::string> parse(std::vector<const char*> words) {
  words.insert(words.begin(), "selvage_bench");
  return parse_options(static_cast<int>(words.size()), words.data());
}

// Samplers that write down who was asked for how many.
entry recording(std::string& log, rhythm how) {
  return {.name = "recorded", .unit = "ns", .rhythm = how, .open = [&log](const settings&) {
            return sides{.figure =
                             [&log](std::size_t count) {
                               log += "F" + std::to_string(count);
                               return std::vector<double>(count, 6);
                             },
                         .limit =
                             [&log](std::size_t count) {
                               log += "L" + std::to_string(count);
                               return std::vector<double>(count, 3);
                             }};
          }};
}

TEST(harness, figure_and_limit_alternate_after_one_turn_to_warm_up) {
  std::string log;
  limits::ping_pong noise;
  const repeat measured = alternate(recording(log, {.turns = 2, .samples = 4}), {}, noise);
  EXPECT_EQ(log, "F4L4F4L4F4L4");
  EXPECT_EQ(measured.value, 6);
  EXPECT_EQ(measured.limit, 3);
  EXPECT_FALSE(measured.gap_cpu);
  EXPECT_EQ(measured.ping_pongs.size(), 2U);
}

TEST(harness, a_benchmark_without_a_limit_has_none) {
  limits::ping_pong noise;
  const entry what{.name = "alone",
                   .unit = "ns",
                   .rhythm = {.turns = 1, .samples = 1, .warm_up = false},
                   .open = [](const settings&) {
                     return sides{.figure = [](std::size_t count) { return std::vector<double>(count, 1); }};
                   }};
  EXPECT_FALSE(alternate(what, {}, noise).limit);
}

TEST(harness, a_child_that_spins_in_the_gaps_is_seen) {
  std::string log;
  limits::ping_pong noise;
  const rhythm with_gaps{.turns = 20, .samples = 1, .gap = std::chrono::milliseconds(5)};
  entry spinning = recording(log, with_gaps);
  spinning.open = [inner = spinning.open](const settings& as) {
    auto spinner = std::make_shared<limits::peer>(limits::any_cpu, [] {
      for (;;) limits::spin_pause();
    });
    sides pair = inner(as);
    pair.figure = [spinner, figure = pair.figure](std::size_t count) { return figure(count); };
    return pair;
  };
  const auto busy = alternate(spinning, {}, noise).gap_cpu;
  const auto idle = alternate(recording(log, with_gaps), {}, noise).gap_cpu;
  ASSERT_TRUE(busy && idle);
  EXPECT_GT(*busy, busiest_gap);
  EXPECT_GT(*busy, *idle);
}

// One test, for Google Benchmark keeps what was registered.
TEST(harness, repeats_become_rows_and_a_benchmark_that_throws_fails_alone) {
  std::string log;
  suite benchmarks;
  entry broken = recording(log, {.turns = 1, .samples = 1});
  broken.name = "broken";
  broken.open = [](const settings&) -> sides { throw std::runtime_error("no such pool"); };
  benchmarks.add(broken);
  entry seldom = recording(log, {.turns = 1, .samples = 1, .warm_up = false, .most_repeats = 2});
  seldom.name = "seldom";
  benchmarks.add(seldom);
  entry left_out = recording(log, {});
  left_out.name = "left_out";
  benchmarks.add(left_out);
  benchmarks.add(recording(log, {.turns = 1, .samples = 2, .warm_up = false}));

  const std::vector<row> rows =
      measure(benchmarks, {.only = {"recorded", "seldom", "broken"}, .repeats = 3, .json = {}});
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[0].name, "broken");
  EXPECT_EQ(judge(rows[0]), verdict::failed);
  EXPECT_EQ(rows[0].failure, "no such pool");
  EXPECT_EQ(rows[2].name, "recorded");
  EXPECT_EQ(rows[2].value, 6);
  EXPECT_EQ(rows[2].limit, 3);
  EXPECT_EQ(log, "F1L1F1L1F2L2F2L2F2L2");
}

TEST(options, every_option_is_read) {
  const auto parsed = parse({"--only", "a", "--only=b", "--repeats", "7", "--json", "out.json", "--pin", "--limits"});
  ASSERT_TRUE(parsed) << parsed.error();
  EXPECT_EQ(parsed->only, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(parsed->repeats, 7U);
  EXPECT_EQ(parsed->json, "out.json");
  EXPECT_TRUE(parsed->pin);
  EXPECT_TRUE(parsed->limits);
  EXPECT_FALSE(parsed->list);
  EXPECT_FALSE(parsed->help);
  EXPECT_TRUE(parse({"--help"})->help);
  EXPECT_TRUE(parse({"--list"})->list);
  EXPECT_EQ(parse({})->repeats, 5U);
}

TEST(options, what_is_wrong_is_named) {
  const auto expect_wrong = [](std::vector<const char*> words, const std::string& named) {
    const auto parsed = parse(std::move(words));
    ASSERT_FALSE(parsed) << named;
    EXPECT_NE(parsed.error().find(named), std::string::npos) << parsed.error();
  };
  expect_wrong({"--fast"}, "--fast");
  expect_wrong({"echo"}, "echo");
  expect_wrong({"--only"}, "--only");
  expect_wrong({"--json="}, "--json");
  for (const char* number : {"0", "1001", "-1", "3x", "", "99999999999"})
    expect_wrong({"--repeats", number}, "--repeats");
}

TEST(options, a_name_that_is_not_there_is_wrong) {
  std::string log;
  suite benchmarks;
  benchmarks.add(recording(log, {}));
  EXPECT_EQ(check_names({.only = {"recorded"}, .json = {}}, benchmarks), "");
  EXPECT_NE(check_names({.only = {"recorded", "recorde"}, .json = {}}, benchmarks).find("recorde:"), std::string::npos);
}

TEST(process_tree, children_are_in_the_tree_and_their_time_is_counted) {
  const limits::shared_memory memory(4096);
  auto& said = *new (memory.data()) std::atomic<pid_t>(0);
  const limits::peer child(limits::any_cpu, [&] {
    for (const std::uint64_t end = limits::now_ns() + 20'000'000; limits::now_ns() < end;) limits::spin_pause();
    said.store(::getpid());
    for (;;) ::pause();
  });
  child.spin_until([&] { return said.load() != 0; });
  const auto tree = tree_of(::getpid());
  EXPECT_EQ(tree.front(), ::getpid());
  EXPECT_NE(std::ranges::find(tree, said.load()), tree.end());
  EXPECT_GT(cpu_ns({said.load()}), 0U);
  EXPECT_EQ(cpu_ns({}), 0U);
  EXPECT_EQ(cpu_ns({999'999'999}), 0U);
}

TEST(process_tree, own_memory_is_read_out_of_a_smaps_rollup) {
  EXPECT_EQ(pss_anon_bytes("Pss:  5 kB\nPss_Anon:             340 kB\nPss_File: 9 kB\n"), 340U * 1024);
  EXPECT_THROW((void)pss_anon_bytes("Pss:  5 kB\n"), std::runtime_error);
  EXPECT_THROW((void)pss_anon_bytes("Pss_Anon: kB"), std::runtime_error);
}

}  // namespace

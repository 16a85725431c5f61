// Medians, verdicts, the table and the JSON file: what a run is judged by.
#include "report.hpp"

#include <gtest/gtest.h>

#include <sstream>

namespace {

using namespace selvage::bench;

entry with_goal(goal of) { return {.name = "thing", .unit = "ns", .goal = of, .open = {}}; }

repeat measured(double value, std::optional<double> limit, double ping_pong = 300) {
  return {.value = value, .limit = limit, .gap_cpu = {}, .ping_pongs = {ping_pong, ping_pong}};
}

verdict judged(goal of, const repeat& each) { return judge(summarise(with_goal(of), {each})); }

TEST(report, the_median_is_the_middle_one_or_the_mean_of_two) {
  EXPECT_EQ(median({}), 0);
  EXPECT_EQ(median({7}), 7);
  EXPECT_EQ(median({9, 1}), 5);
  EXPECT_EQ(median({100, 1, 2}), 2);
  EXPECT_EQ(median({4, 1, 1000, 2}), 3);
}

TEST(report, a_ratio_is_that_of_the_medians_and_the_spread_that_of_the_repeats) {
  const row made = summarise(with_goal({}), {measured(10, 5), measured(40, 10), measured(30, 30)});
  EXPECT_EQ(made.value, 30);
  EXPECT_EQ(made.limit, 10);
  EXPECT_EQ(made.ratio, 3);
  EXPECT_EQ(made.lowest_ratio, 1);
  EXPECT_EQ(made.highest_ratio, 4);
}

TEST(report, a_figure_on_its_goal_reaches_it_and_one_beyond_misses_it) {
  EXPECT_EQ(judged({.ratio_at_most = 2.0}, measured(20, 10)), verdict::ok);
  EXPECT_EQ(judged({.ratio_at_most = 2.0}, measured(20.1, 10)), verdict::missed);
  EXPECT_EQ(judged({.ratio_at_least = 0.8}, measured(8, 10)), verdict::ok);
  EXPECT_EQ(judged({.ratio_at_least = 0.8}, measured(7.9, 10)), verdict::missed);
  EXPECT_EQ(judged({.value_below = 5}, measured(4.9, {})), verdict::ok);
  EXPECT_EQ(judged({.value_below = 5}, measured(5, {})), verdict::missed);
}

TEST(report, both_goals_must_be_reached) {
  const goal both{.ratio_at_most = 8.0, .value_below = 1000};
  EXPECT_EQ(judged(both, measured(700, 100)), verdict::ok);
  EXPECT_EQ(judged(both, measured(900, 100)), verdict::missed);
  EXPECT_EQ(judged(both, measured(1000, 200)), verdict::missed);
}

TEST(report, a_value_counts_only_where_the_machine_is_fast_enough_for_it) {
  const goal fast{.ratio_at_most = 3.0, .value_below = 100, .value_counts_where_limit_at_most = 40};
  EXPECT_EQ(judged(fast, measured(110, 40)), verdict::missed);
  EXPECT_EQ(judged(fast, measured(110, 41)), verdict::ok);
  EXPECT_EQ(judged(fast, measured(99, 40)), verdict::ok);
}

TEST(report, a_noisy_machine_gets_no_ratio) {
  const row quiet = summarise(with_goal({.ratio_at_most = 2.0}), {measured(10, 10, 600)});
  EXPECT_EQ(quiet.ratio, 1);
  const row noisy = summarise(with_goal({.ratio_at_most = 2.0}), {measured(10, 10, 601)});
  EXPECT_EQ(noisy.value, 10);
  EXPECT_FALSE(noisy.ratio);
  EXPECT_EQ(judge(noisy), verdict::noisy);
  std::ostringstream table;
  print_table(table, {noisy});
  EXPECT_NE(table.str().find("too noisy"), std::string::npos) << table.str();
}

TEST(report, a_value_without_a_ratio_is_judged_on_a_noisy_machine_too) {
  EXPECT_EQ(judged({.value_below = 5}, measured(4, {}, 10'000)), verdict::ok);
}

TEST(report, one_noisy_moment_of_many_does_not_spoil_a_benchmark) {
  const row made = summarise(with_goal({}), {measured(10, 10), measured(10, 10, 9000), measured(10, 10)});
  EXPECT_TRUE(made.ratio);
}

TEST(report, busy_gaps_miss_the_goal) {
  repeat each = measured(10, 10);
  each.gap_cpu = 0.05;
  EXPECT_EQ(judged({.ratio_at_most = 2.0}, each), verdict::ok);
  each.gap_cpu = 0.051;
  EXPECT_EQ(judged({.ratio_at_most = 2.0}, each), verdict::missed);
}

TEST(report, what_gave_no_value_failed) {
  EXPECT_EQ(judge(summarise(with_goal({.ratio_at_most = 2.0}), {})), verdict::failed);
  EXPECT_EQ(judged({.ratio_at_most = 2.0}, measured(10, 0)), verdict::failed);  // there is no ratio to nothing
  EXPECT_EQ(judged({}, measured(10, {})), verdict::none);
}

TEST(report, goals_are_said_in_words) {
  EXPECT_EQ(words({}, "ns"), "-");
  EXPECT_EQ(words({.ratio_at_most = 8.0, .value_below = 1000}, "us"), "<= 8 x, < 1000 us");
  EXPECT_EQ(words({.ratio_at_least = 0.8}, "GB/s"), ">= 0.8 x");
  EXPECT_EQ(words({.ratio_at_most = 3.0, .value_below = 100, .value_counts_where_limit_at_most = 40}, "ns"),
            "<= 3 x, < 100 ns where the limit is <= 40");
}

TEST(report, the_table_has_a_line_for_each_benchmark) {
  std::ostringstream table;
  print_table(table, {summarise(with_goal({.ratio_at_most = 2.0}), {measured(15, 10)}),
                      summarise(with_goal({.ratio_at_most = 1.2}), {measured(15, 10)})});
  EXPECT_NE(table.str().find("15.00  ns    10.00  1.500  <= 2 x    ok      ratios 1.500 to 1.500\n"), std::string::npos)
      << table.str();
  EXPECT_NE(table.str().find("<= 1.2 x  missed"), std::string::npos) << table.str();
}

TEST(report, the_json_is_a_list_with_null_for_what_there_is_not) {
  std::ostringstream json;
  print_json(json, {summarise(with_goal({}), {measured(15, 10)}), summarise(with_goal({}), {measured(0.25, {})})});
  EXPECT_EQ(json.str(),
            "[\n"
            "  {\"name\": \"thing\", \"value\": 15, \"unit\": \"ns\", \"limit\": 10, \"ratio\": 1.5},\n"
            "  {\"name\": \"thing\", \"value\": 0.25, \"unit\": \"ns\", \"limit\": null, \"ratio\": null}\n"
            "]\n");
  std::ostringstream none;
  print_json(none, {});
  EXPECT_EQ(none.str(), "[\n]\n");
}

}  // namespace

// Runs that are resumed: what was done is not done again, what was not is, and the outcomes are those of a run that
// nothing has disturbed. FAILURES rows 31 and 32, the run's part.

#include <gmock/gmock.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "tests/run/store_support.hpp"
#include "tests/support/child.hpp"
#include "tests/support/lane_memory.hpp"
#include "tests/support/pool_fixture.hpp"

namespace selvage::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ending = run_report::ending;
using counters = tests::shared_array<std::atomic<std::uint64_t>>;

class stored_runs : public pool_survives {
 protected:
  const scratch_directory place_;
  const store store_{place_.path()};
  const counters ran_{2};
  const task<std::function<std::string(std::string)>> shout_ = task("shout", std::function([this](std::string text) {
                                                                      ++ran_[0];
                                                                      if (text == "bad" && ran_[1] == 0)
                                                                        throw std::runtime_error("bad");
                                                                      if (text == "nap") ::usleep(100'000);
                                                                      return text + "!";
                                                                    }));

  using options = run_options<std::string, std::string>;
  [[nodiscard]] options with_store(options more = {}) const {
    more.name = "run";
    more.store = &store_;
    return more;
  }
};

TEST_F(stored_runs, do_not_again_what_was_done) {
  pool pool(watched({.workers = 2}), shout_);
  const std::vector<std::string> items{"a", "b", "c"};
  EXPECT_TRUE(run(pool, shout_, items, with_store()).ok());
  EXPECT_EQ(ran_[0], 3U);
  std::vector<std::string> told;
  const auto report = run(
      pool, shout_, std::vector<std::string>{"x", "c", "b", "y", "a"},
      with_store(
          {.emit = [&](auto&& outcome) { told.push_back(outcome.result.value() + (outcome.resumed ? " again" : "")); },
           .resume = true}));
  EXPECT_THAT(told, ElementsAre("x!", "c! again", "b! again", "y!", "a! again"));
  EXPECT_EQ(ran_[0], 5U);
  EXPECT_TRUE(report.ok());
  EXPECT_EQ(report.succeeded, 5U);
  EXPECT_EQ(report.resumed, 3U);
  EXPECT_EQ(report.attempts, 2U);
}

// More items than may be under way at once: each place that is waited for is behind a commit that nothing else brings.
TEST_F(stored_runs, do_not_wait_for_the_time_of_a_commit_where_nothing_else_is_to_be_done) {
  pool pool(watched({.workers = 2}), shout_);
  const store patient(place_.path() / "patient", {.commit_interval = 1h, .commit_items = 1'000'000});
  std::vector<std::string> items;
  for (int i = 0; i < 3000; ++i) items.push_back(std::to_string(i));
  for (const bool in_order : {true, false}) {
    auto options = with_store({.in_order = in_order, .fresh = true});
    options.store = &patient;
    EXPECT_EQ(run(pool, shout_, items, options).succeeded, 3000U);
  }
}

TEST_F(stored_runs, tell_an_outcome_only_once_it_is_durable) {
  pool pool(watched({.workers = 2}), shout_);
  std::vector<std::string> items;
  for (int i = 0; i < 300; ++i) items.push_back(std::to_string(i));
  const store reader(place_.path());
  int looked = 0;
  EXPECT_TRUE(run(pool, shout_, items,
                  with_store({.emit =
                                  [&](auto&& outcome) {
                                    if (outcome.ordinal % 100 != 0) return;
                                    // In a process of its own: this one has the run open.
                                    const std::string key(outcome.key);
                                    EXPECT_EQ(
                                        tests::said_by_child([&] {
                                          return words_of(selvage::store(place_.path()).find("run", key, {})) +
                                                 (selvage::store(place_.path()).find("run", key, {}).value_or(false)
                                                      ? " there"
                                                      : " not there");
                                        }),
                                        "done there");
                                    ++looked;
                                  }}))
                  .ok());
  EXPECT_EQ(looked, 3);
}

TEST_F(stored_runs, try_failures_again_unless_they_are_told_to_keep_them) {
  pool pool(watched({.workers = 1}), shout_);
  const std::vector<std::string> items{"a", "bad"};
  EXPECT_EQ(run(pool, shout_, items, with_store()).failed, 1U);
  const auto kept =
      run(pool, shout_, items,
          with_store({.resume = true, .keep_failures = [](errc why) { return why == errc::task_failed; }}));
  EXPECT_EQ(kept.failed, 1U);
  EXPECT_EQ(kept.resumed, 2U);
  EXPECT_EQ(ran_[0], 2U);
  EXPECT_EQ(run(pool, shout_, items, with_store({.resume = true})).failed, 1U);
  EXPECT_EQ(ran_[0], 3U);
  ran_[1] = 1;
  const auto mended = run(pool, shout_, items, with_store({.resume = true}));
  EXPECT_TRUE(mended.ok());
  EXPECT_EQ(run(pool, shout_, items, with_store({.resume = true})).resumed, 2U);
}

TEST_F(stored_runs, are_refused_where_nobody_said_what_to_do_with_their_records) {
  pool pool(watched({.workers = 1}), shout_);
  const std::vector<std::string> items{"a"};
  EXPECT_TRUE(run(pool, shout_, items, with_store()).ok());
  try {
    (void)run(pool, shout_, items, with_store());
    FAIL();
  } catch (const error& problem) {
    EXPECT_THAT(problem.what(), HasSubstr("invalid_options: resume: the run 'run' has 1 records"));
  }
  const auto fresh = run(pool, shout_, items, with_store({.fresh = true}));
  EXPECT_EQ(fresh.resumed, 0U);
}

TEST_F(stored_runs, of_another_version_are_refused) {
  pool pool(watched({.workers = 1}), shout_);
  const std::vector<std::string> items{"a"};
  EXPECT_TRUE(run(pool, shout_, items, with_store({.version = "1"})).ok());
  try {
    (void)run(pool, shout_, items, with_store({.resume = true, .version = "2"}));
    FAIL();
  } catch (const error& problem) {
    EXPECT_EQ(problem.code(), errc::fingerprint_mismatch);
    EXPECT_THAT(problem.what(), HasSubstr("'version' was '1' and is '2'"));
  }
  const auto rerun =
      run(pool, shout_, items, with_store({.resume = true, .on_mismatch = on_mismatch::rerun, .version = "2"}));
  EXPECT_EQ(rerun.resumed, 0U);
  const auto reused =
      run(pool, shout_, items, with_store({.resume = true, .on_mismatch = on_mismatch::reuse, .version = "3"}));
  EXPECT_EQ(reused.resumed, 1U);
}

// Equal keys have equal results: the second is not run, whether the first is done, active or waiting.
TEST_F(stored_runs, run_each_key_once) {
  pool pool(watched({.workers = 2}), shout_);
  std::vector<std::string> told;
  const auto report = run(
      pool, shout_, std::vector<std::string>{"nap", "nap", "", "nap", "", "bad", "bad", "nap"},
      with_store({.emit = [&](auto&& outcome) {
        told.push_back((outcome.result ? *outcome.result : "failed") + std::string(outcome.resumed ? " again" : ""));
      }}));
  EXPECT_THAT(told,
              ElementsAre("nap!", "nap! again", "!", "nap! again", "! again", "failed", "failed again", "nap! again"));
  EXPECT_EQ(ran_[0], 3U);
  EXPECT_EQ(report.items, 8U);
  EXPECT_EQ(report.resumed, 5U);
  EXPECT_EQ(report.failed, 2U);
}

TEST_F(stored_runs, take_any_key) {
  pool pool(watched({.workers = 1}), shout_);
  const std::vector<std::string> items{"", std::string("\0\xff", 2), std::string(511, 'x'), std::string(100'000, 'y')};
  EXPECT_TRUE(run(pool, shout_, items, with_store()).ok());
  std::vector<std::string> told;
  EXPECT_EQ(run(pool, shout_, items,
                with_store({.emit = [&](auto&& outcome) { told.push_back(*outcome.result); }, .resume = true}))
                .resumed,
            4U);
  for (std::size_t i = 0; i < items.size(); ++i) EXPECT_EQ(told[i], items[i] + "!");
  const auto too_long =
      run(pool, shout_, std::vector<std::string>{std::string((1U << 20U) + 1, 'x')}, with_store({.resume = true}));
  EXPECT_EQ(too_long.how, ending::failed);
  EXPECT_THAT(too_long.problem->what(), HasSubstr("a key of 1048577 bytes"));
}

TEST_F(stored_runs, keep_values_of_every_form) {
  using table = std::map<std::string, std::vector<double>>;
  const auto count = task("count", [](int n) { return n; });
  const auto flat = task("flat", [](int n) { return std::vector<std::int64_t>(static_cast<std::size_t>(n), n); });
  const auto tables = task("tables", [](int n) { return table{{"n", {1.0 * n, -0.0}}}; });
  const auto nothing = task("nothing", [](int) {});
  pool pool(watched({.workers = 1}), count, flat, tables, nothing);
  const std::vector<int> items{0, 1, 1000};
  const auto both = [&](const auto& what, const char* name) {
    using R = typename std::remove_cvref_t<decltype(what)>::result;
    std::vector<std::vector<R>> told(2);
    for (int round = 0; round < 2; ++round) {
      const auto report = run(pool, what, items,
                              {.name = name,
                               .emit = [&](auto&& outcome) { told[round].push_back(*outcome.result); },
                               .store = &store_,
                               .resume = true});
      EXPECT_EQ(report.resumed, round == 0 ? 0U : 3U);
    }
    EXPECT_EQ(told[0], told[1]);
  };
  both(count, "count");
  both(flat, "flat");
  both(tables, "tables");
  for (int round = 0; round < 2; ++round) {
    EXPECT_TRUE(run(pool, nothing, items, {.name = "nothing", .store = &store_, .resume = true}).ok());
  }
}

TEST_F(stored_runs, keep_the_values_of_failures) {
  const auto status = task("status", [](int n) { return n; });
  pool pool(watched({.workers = 1}), status);
  std::vector<int> told;
  for (int round = 0; round < 2; ++round) {
    const auto report = run(pool, status, std::vector<int>{0, 3},
                            {.name = "status",
                             .emit = [&](auto&& outcome) { told.push_back(*outcome.result); },
                             .judge = [](int n) { return n == 0 ? std::nullopt : std::optional<std::string>("not 0"); },
                             .store = &store_,
                             .resume = true,
                             .keep_failures = [](errc) { return true; }});
    EXPECT_EQ(report.failed, 1U);
    EXPECT_EQ(report.resumed, round == 0 ? 0U : 2U);
  }
  EXPECT_THAT(told, ElementsAre(0, 3, 0, 3));
}

// Values that are names of files, kept beside the records.
TEST_F(stored_runs, ask_whether_what_a_value_speaks_of_is_there) {
  pool pool(watched({.workers = 1}), shout_);
  const std::vector<std::string> items{"a", "b", "c"};
  const auto folder = store_.files_of("run");
  auto asked = with_store();
  asked.before_kept = [&](std::string& value) {
    std::ofstream(folder / value) << "content";
    value = "file " + value;
  };
  asked.still_holds = [&](const std::string& value) { return std::filesystem::exists(folder / value.substr(5)); };
  std::vector<std::string> told;
  asked.emit = [&](auto&& outcome) { told.push_back(outcome.result.value() + (outcome.resumed ? " again" : "")); };
  ASSERT_TRUE(run(pool, shout_, items, asked).ok());
  EXPECT_THAT(told, ElementsAre("file a!", "file b!", "file c!"));
  std::filesystem::remove(folder / "b!");
  told.clear();
  asked.resume = true;
  ASSERT_TRUE(run(pool, shout_, items, asked).ok());
  EXPECT_THAT(told, ElementsAre("file a! again", "file b!", "file c! again"));
  EXPECT_EQ(ran_[0], 4U);
  asked.fresh = true;
  asked.resume = false;
  asked.before_kept = [](std::string&) { throw std::runtime_error("no room"); };
  EXPECT_THROW(run(pool, shout_, items, asked), std::runtime_error);
  EXPECT_EQ(pool.call(shout_, "d").get(), "d!");
}

TEST_F(stored_runs, run_kept_failures_again_where_what_their_value_speaks_of_is_gone) {
  pool pool(watched({.workers = 1}), shout_);
  auto asked = with_store();
  asked.judge = [](const std::string& value) { return std::optional("not loud enough: " + value); };
  asked.keep_failures = [](errc) { return true; };
  ASSERT_EQ(run(pool, shout_, std::vector<std::string>{"a", "b"}, asked).failed, 2U);
  asked.resume = true;
  asked.still_holds = [](const std::string& value) { return value != "b!"; };
  std::vector<std::string> told;
  asked.emit = [&](auto&& outcome) { told.push_back(outcome.result.value() + (outcome.resumed ? " again" : "")); };
  ASSERT_EQ(run(pool, shout_, std::vector<std::string>{"a", "b"}, asked).failed, 2U);
  EXPECT_THAT(told, ElementsAre("a! again", "b!"));
  EXPECT_EQ(ran_[0], 3U);
}

TEST_F(stored_runs, need_a_key) {
  const auto sum = task("sum", [](int a, int b) { return a + b; });
  pool pool(watched({.workers = 1}), sum);
  const std::vector<std::tuple<int, int>> items{{1, 2}};
  try {
    (void)run(pool, sum, items, {.name = "run", .store = &store_});
    FAIL();
  } catch (const error& problem) {
    EXPECT_THAT(problem.what(), HasSubstr("invalid_options: key"));
  }
  EXPECT_TRUE(run(pool, sum, items, {.name = "run", .key = [](const auto&) { return "k"; }, .store = &store_}).ok());
}

TEST_F(stored_runs, are_busy_for_others) {
  pool pool(watched({.workers = 1}), shout_);
  const journal other = open(store_, {.name = "run"});
  try {
    (void)run(pool, shout_, std::vector<std::string>{"a"}, with_store());
    FAIL();
  } catch (const error& problem) {
    EXPECT_EQ(problem.code(), errc::store_busy);
  }
}

TEST_F(stored_runs, go_on_after_a_stop) {
  pool pool(watched({.workers = 2}), shout_);
  std::vector<std::string> items;
  for (int i = 0; i < 500; ++i) items.push_back(std::to_string(i));
  std::vector<std::string> told;
  std::uint64_t resumed = 0;
  for (int round = 0; round < 20; ++round) {
    std::stop_source stop;
    told.clear();
    const auto report = run(pool, shout_, items,
                            with_store({.emit =
                                            [&](auto&& outcome) {
                                              told.push_back(*outcome.result);
                                              if (outcome.ordinal == 40 * (static_cast<std::uint64_t>(round) + 1))
                                                stop.request_stop();
                                            },
                                        .resume = true,
                                        .stop = stop.get_token()}));
    EXPECT_GE(report.resumed, resumed);
    resumed = report.resumed;
    if (report.how == ending::finished) break;
  }
  ASSERT_EQ(told.size(), 500U);
  for (int i = 0; i < 500; ++i) EXPECT_EQ(told[static_cast<std::size_t>(i)], std::to_string(i) + "!");
  EXPECT_EQ(ran_[0], 500U) << "a stop costs nothing that was done";
}

}  // namespace
}  // namespace selvage::test

// The store's promises where nothing goes wrong: what was put is found again, under any key, by whoever may look.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <random>
#include <thread>

#include "tests/run/store_support.hpp"
#include "tests/support/random.hpp"

namespace selvage::test {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

TEST(journals, keep_all_of_an_item) {
  const scratch_directory place;
  const store store(place.path());
  const std::string output("\0\xff\x80 bytes", 9);
  const stored_item success{.key = "a",
                            .attempts = 3,
                            .ordinal = 7,
                            .finished = std::chrono::system_clock::now(),
                            .run_time = 1234567ns,
                            .peak_memory = 1U << 20U,
                            .output = std::as_bytes(std::span(output))};
  const stored_item failure{.key = "b", .failed = errc::timed_out, .message = "it ran longer than 5 ms"};
  {
    journal writer = open(store, {.name = "run"});
    EXPECT_EQ(writer.put(success).value(), 1U);
    EXPECT_EQ(writer.put(failure).value(), 2U);
    ASSERT_TRUE(writer.flush());
    EXPECT_EQ(writer.durable(), 2U);
  }
  const journal reader = open(store, {.name = "run"});
  EXPECT_EQ(reader.found(), 2U);
  owned_item a;
  owned_item b;
  std::uintptr_t address = 1;
  EXPECT_TRUE(reader
                  .find("a",
                        [&](const stored_item& item) {
                          a = owned_item(item);
                          address = reinterpret_cast<std::uintptr_t>(item.output.data());
                        })
                  .value());
  EXPECT_TRUE(reader.find("b", [&](const stored_item& item) { b = owned_item(item); }).value());
  EXPECT_EQ(a, owned_item(success));
  EXPECT_EQ(b, owned_item(failure));
  EXPECT_EQ(address % 16, 0U) << "the codec reads outputs in place";
  EXPECT_FALSE(reader.find("c").value());
}

TEST(journals, take_any_key) {
  std::vector<std::string> keys{"", std::string(1, '\0'), "!", "k", "l", std::string("\0\xff\n", 3)};
  for (const std::size_t size : {1U, 509U, 510U, 511U, 512U, 100'000U, 1U << 20U}) {
    keys.emplace_back(size, 'x');
    keys.push_back(std::string(size - 1, 'x') + 'y');
  }
  const scratch_directory place;
  const store store(place.path());
  {
    journal writer = open(store, {.name = "run"});
    for (const auto& key : keys) put(writer, key);
    const auto over = writer.put({.key = std::string((1U << 20U) + 1, 'x')});
    EXPECT_EQ(code_of(over), "store_error");
    EXPECT_THAT(words_of(over), HasSubstr("a key of 1048577 bytes is longer than the 1048576"));
    ASSERT_TRUE(writer.flush());
  }
  const journal reader = open(store, {.name = "run"});
  EXPECT_EQ(reader.found(), keys.size());
  for (const auto& key : keys) EXPECT_EQ(found_in(reader, key), output_of(key));
  EXPECT_EQ(found_in(reader, std::string(2, '\0')), "(none)");
}

TEST(journals, find_keys_in_whatever_order_they_are_asked_for) {
  const scratch_directory place;
  const store store(place.path());
  std::vector<std::string> keys;
  for (int i = 0; i < 500; ++i) keys.push_back(fmt::format("{:03}", i));
  {
    journal writer = open(store, {.name = "run"});
    for (const auto& key : keys) put(writer, key);
    ASSERT_TRUE(writer.flush());
  }
  const journal reader = open(store, {.name = "run"});
  const auto ask_for_all = [&] {
    for (const auto& key : keys) {
      std::string found;
      ASSERT_TRUE(reader.find(key, [&](const stored_item& item) { found = item.key; }).value()) << key;
      ASSERT_EQ(found, key);
      ASSERT_FALSE(reader.find(key + "!").value());
    }
    ASSERT_FALSE(reader.find("999").value()) << "behind the last one";
    ASSERT_TRUE(reader.find(keys.front()).value());
  };
  ask_for_all();
  std::ranges::reverse(keys);
  ask_for_all();
  std::ranges::shuffle(keys, std::mt19937(7));
  ask_for_all();
}

TEST(journals, keep_the_last_record_of_a_key) {
  const scratch_directory place;
  const store store(place.path());
  const std::string long_key(600, 'k');
  journal writer = open(store, {.name = "run"});
  for (const std::string_view output : {"first", "second", "third"}) {
    ASSERT_TRUE(writer.put(item_of("key", output)));
    ASSERT_TRUE(writer.put(item_of(long_key, output)));
  }
  ASSERT_TRUE(writer.flush());
  EXPECT_EQ(found_in(writer, "key"), "third");
  EXPECT_EQ(found_in(writer, long_key), "third");
  ASSERT_TRUE(writer.put(item_of("key", "")));
  ASSERT_TRUE(writer.flush());
  EXPECT_EQ(found_in(writer, "key"), "");
}

TEST(journals, keep_outputs_of_any_size) {
  const scratch_directory place;
  const store store(place.path(), {.map = 64_KiB});  // which has to grow, more than once within one commit
  std::map<std::string, std::string> outputs;
  journal writer = open(store, {.name = "run"});
  for (const std::size_t size : {0U, 1U, 4000U, 4096U, 70'000U, 5'000'000U, 20'000'000U}) {
    std::string& output = outputs[std::to_string(size)];
    output.assign(size, static_cast<char>('a' + size % 26));
    ASSERT_TRUE(writer.put(item_of(std::to_string(size), output)));
  }
  ASSERT_TRUE(writer.flush());
  for (const auto& [key, output] : outputs) EXPECT_EQ(found_in(writer, key), output) << key;
}

TEST(journals, gather_records_until_there_are_enough) {
  const scratch_directory place;
  const store store(place.path(), {.commit_interval = 1h, .commit_items = 3});
  journal writer = open(store, {.name = "run"});
  put(writer, "1");
  put(writer, "2");
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(writer.durable(), 0U);
  EXPECT_EQ(found_in(writer, "1"), "(none)") << "what is not durable is not to be relied upon";
  put(writer, "3");
  while (writer.durable() != 3) std::this_thread::yield();
  EXPECT_EQ(found_in(writer, "1"), output_of("1"));
}

TEST(journals, gather_records_until_they_are_large_enough) {
  const scratch_directory place;
  const store store(place.path(), {.commit_interval = 1h, .commit_bytes = 100_KiB});
  journal writer = open(store, {.name = "run"});
  put(writer, "small");
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(writer.durable(), 0U);
  ASSERT_TRUE(writer.put(item_of("large", std::string(100'000, 'x'))));
  ASSERT_TRUE(writer.put(item_of("more", std::string(10'000, 'x'))));
  while (writer.durable() != 3) std::this_thread::yield();
}

TEST(journals, gather_records_no_longer_than_they_may) {
  const scratch_directory place;
  const store store(place.path(), {.commit_interval = 1ms});
  journal writer = open(store, {.name = "run"});
  put(writer, "alone");
  while (writer.durable() != 1) std::this_thread::yield();
}

TEST(journals, write_each_record_at_once_where_they_are_strict) {
  const scratch_directory place;
  const store store(place.path(), {.durability = durability::strict, .commit_interval = 1h, .commit_items = 1000});
  journal writer = open(store, {.name = "run"});
  for (std::uint64_t i = 1; i <= 20; ++i) {
    put(writer, std::to_string(i));
    while (writer.durable() != i) std::this_thread::yield();
  }
}

TEST(journals, write_what_is_left_when_they_are_closed) {
  for (const durability how : {durability::strict, durability::batch, durability::process}) {
    const scratch_directory place;
    const store store(place.path(), {.durability = how, .commit_interval = 1h});
    {
      journal writer = open(store, {.name = "run"});
      for (int i = 0; i < 100; ++i) put(writer, std::to_string(i));
    }
    EXPECT_EQ(all_of(store, "run").size(), 100U);
  }
}

TEST(journals, say_what_is_durable_in_order) {
  const scratch_directory place;
  const store store(place.path(), {.commit_items = 10});
  std::vector<std::uint64_t> told;
  {
    journal writer = open(store, {.name = "run", .on_durable = [&](std::uint64_t number) { told.push_back(number); }});
    for (int i = 0; i < 1000; ++i) put(writer, std::to_string(i));
  }
  ASSERT_FALSE(told.empty());
  EXPECT_TRUE(std::ranges::is_sorted(told));
  EXPECT_EQ(told.back(), 1000U);
}

TEST(journals, take_records_from_many_threads) {
  const scratch_directory place;
  const store store(place.path(), {.commit_bytes = 10_KiB, .map = 64_KiB});  // callers wait for the writer
  constexpr int threads = 4;
  constexpr int each = 2000;
  {
    journal writer = open(store, {.name = "run"});
    std::vector<std::jthread> crowd;
    for (int t = 0; t < threads; ++t) {
      crowd.emplace_back([&writer, t] {
        for (int i = 0; i < each; ++i) {
          const std::string key = std::to_string(t) + "/" + std::to_string(i);
          put(writer, key);
          if (i % 100 == 0) {
            ASSERT_TRUE(writer.flush());
            ASSERT_EQ(found_in(writer, key), output_of(key));
          }
        }
      });
    }
  }
  const auto items = all_of(store, "run");
  EXPECT_EQ(items.size(), std::size_t{threads} * each);
  for (const auto& [key, item] : items) EXPECT_EQ(item.output, output_of(key));
}

TEST(journals, that_are_told_to_hurry_wait_for_no_more) {
  const scratch_directory place;
  const store store(place.path(), {.commit_interval = 1h});
  journal writer = open(store, {.name = "run"});
  for (std::uint64_t number = 1; number <= 3; ++number) {
    ASSERT_EQ(writer.put({.key = std::to_string(number)}).value(), number);
    writer.hurry();
    while (writer.durable() != number) std::this_thread::yield();
  }
  writer.hurry();  // with nothing to write
}

TEST(journals, hold_what_a_map_would) {
  tests::random_source random;
  const scratch_directory place;
  const store store(place.path(), {.commit_items = 50, .map = 64_KiB});
  std::map<std::string, std::string> expected;
  for (int round = 0; round < 10; ++round) {
    journal writer = open(store, {.name = "run"});
    ASSERT_EQ(writer.found(), expected.size());
    for (int i = 0; i < 300; ++i) {
      const std::string key(random.below(700), static_cast<char>('a' + random.below(3)));
      const std::string output(random.below(random.one_in(20) ? 50'000 : 300), static_cast<char>(random.bits()));
      ASSERT_TRUE(writer.put(item_of(key, output)));
      expected[key] = output;
    }
  }
  std::map<std::string, std::string> found;
  for (const auto& [key, item] : all_of(store, "run")) found[key] = item.output;
  EXPECT_EQ(found, expected);
  EXPECT_EQ(store.check("run").value().problems, std::vector<std::string>{});
}

TEST(journals, refuse_options_by_name) {
  const scratch_directory place;
  const auto of_store = [&](store_options options) {
    try {
      const store refused(place.path(), options);
      return std::string("taken");
    } catch (const error& problem) {
      return std::string(problem.what());
    }
  };
  EXPECT_THAT(of_store({.commit_interval = 0ns}), HasSubstr("invalid_options: commit_interval"));
  EXPECT_THAT(of_store({.commit_interval = 2h}), HasSubstr("invalid_options: commit_interval"));
  EXPECT_THAT(of_store({.commit_items = 0}), HasSubstr("invalid_options: commit_items"));
  EXPECT_THAT(of_store({.commit_bytes = 0_B}), HasSubstr("invalid_options: commit_bytes"));
  EXPECT_THAT(of_store({.map = 1_KiB}), HasSubstr("invalid_options: map"));
  EXPECT_THAT(of_store({.durability = static_cast<durability>(9)}), HasSubstr("invalid_options: durability"));
  const store store(place.path());
  EXPECT_THAT(words_of(store.open({.name = ""})), HasSubstr("invalid_options: name"));
  EXPECT_THAT(words_of(store.open({.name = "a\nb"})), HasSubstr("invalid_options: name"));
  EXPECT_THAT(words_of(store.open({.name = std::string(81, 'n')})), HasSubstr("1 to 80 bytes"));
  EXPECT_THAT(words_of(store.open({.name = "run", .fingerprint = {{"", "x"}}})), HasSubstr("a part has no name"));
  EXPECT_THAT(words_of(store.open({.name = "run", .fingerprint = {{"x", "1"}, {"x", "2"}}})),
              HasSubstr("two parts are called 'x'"));
  EXPECT_TRUE(std::filesystem::is_empty(place.path())) << "a refused run leaves nothing behind";
}

TEST(journals, of_any_name_stay_in_the_stores_directory) {
  const scratch_directory place;
  const std::vector<std::string> names{"%2e", "-",   ".",      "..",       "../escape",         "/etc",
                                       "CON", "a b", "a/../b", "\xc3\xbc", std::string(80, '/')};
  const store store(place.path() / "store");
  for (const auto& name : names) {
    journal writer = open(store, {.name = name});
    put(writer, name);
  }
  std::size_t outside = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(place.path())) ++outside;
  EXPECT_EQ(outside, 1U);
  std::vector<std::string> listed;
  const auto runs = store.runs().value();
  for (const auto& run : runs) listed.push_back(run.name);
  EXPECT_THAT(listed, ::testing::UnorderedElementsAreArray(names));
  for (const auto& name : names) EXPECT_EQ(all_of(store, name).begin()->second.output, output_of(name));
}

TEST(journals, of_another_task_are_refused_with_what_has_changed) {
  const scratch_directory place;
  const store store(place.path());
  {
    put(*std::make_unique<journal>(open(store, {.name = "run", .fingerprint = {{"task", "decode 3"}, {"size", "64"}}})),
        "a");
  }
  const auto opened = [&](fingerprint parts, on_mismatch what = on_mismatch::refuse) {
    return store.open({.name = "run", .fingerprint = std::move(parts), .on_mismatch = what});
  };
  EXPECT_EQ(opened({{"size", "64"}, {"task", "decode 3"}})->found(), 1U) << "their order says nothing";
  const auto changed = opened({{"task", "decode 4"}, {"size", "64"}});
  EXPECT_EQ(code_of(changed), "fingerprint_mismatch");
  EXPECT_THAT(words_of(changed), HasSubstr("'task' was 'decode 3' and is 'decode 4'"));
  EXPECT_THAT(words_of(opened({{"task", "decode 3"}})), HasSubstr("'size' was '64' and is not said now"));
  EXPECT_THAT(words_of(opened({{"task", "decode 3"}, {"size", "64"}, {"mode", "fast"}})),
              HasSubstr("'mode' is 'fast' and was not said before"));
  EXPECT_EQ(all_of(store, "run").size(), 1U) << "a refusal changes nothing";

  EXPECT_EQ(opened({{"task", "decode 4"}}, on_mismatch::reuse)->found(), 1U);
  EXPECT_EQ(opened({{"task", "decode 4"}})->found(), 1U) << "reuse writes the new fingerprint";
  EXPECT_EQ(opened({{"task", "decode 4"}}, on_mismatch::rerun)->found(), 1U) << "nothing differs";
  EXPECT_EQ(opened({{"task", "decode 5"}}, on_mismatch::rerun)->found(), 0U);
  EXPECT_EQ(opened({{"task", "decode 5"}})->found(), 0U);
}

TEST(journals, begin_anew_where_they_are_told_to) {
  const scratch_directory place;
  const store store(place.path());
  { put(*std::make_unique<journal>(open(store, {.name = "run", .fingerprint = {{"task", "1"}}})), "a"); }
  {
    journal fresh = open(store, {.name = "run", .fingerprint = {{"task", "2"}}, .fresh = true});
    EXPECT_EQ(fresh.found(), 0U);
    EXPECT_EQ(found_in(fresh, "a"), "(none)");
    put(fresh, "b");
  }
  const auto items = all_of(store, "run");
  ASSERT_EQ(items.size(), 1U);
  EXPECT_EQ(items.begin()->first, "b");
}

}  // namespace
}  // namespace selvage::test

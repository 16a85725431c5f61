// A program that is killed at any moment while it keeps records: what it was told is durable is there, and whole; the
// rest is there whole or not at all. FAILURES row 30, the store's part of it.

#include <gmock/gmock.h>

#include <atomic>

#include "tests/run/store_support.hpp"
#include "tests/support/child.hpp"
#include "tests/support/lane_memory.hpp"
#include "tests/support/random.hpp"

namespace selvage::test {
namespace {

using words = tests::shared_array<std::atomic<std::uint64_t>>;

constexpr std::uint64_t most_keys = 3000;

std::string key_of(std::uint64_t number) {
  // Some are long, so that both kinds of record name are there.
  return std::to_string(number) + std::string(number % 50 == 0 ? 600 : 0, 'x');
}

std::string content_of(std::uint64_t number, std::uint64_t generation) {
  return std::to_string(number) + " in " + std::to_string(generation) + std::string(number % 7 * 300, '.');
}

/// Keeps records until it is killed, and tells how many are durable.
int keep_records(const std::filesystem::path& place, durability how, std::uint64_t generation, const words& shared) {
  const store store(place, {.durability = how, .commit_interval = std::chrono::microseconds(500), .map = 64_KiB});
  journal writer = open(store, {.name = "run", .on_durable = [&](std::uint64_t number) { shared[0] = number; }});
  for (std::uint64_t i = 0; i < most_keys; ++i) {
    const std::string output = content_of(i, generation);
    if (!writer.put({.key = key_of(i), .ordinal = generation, .output = std::as_bytes(std::span(output))})) return 1;
  }
  return writer.flush() ? 0 : 1;
}

void kill_again_and_again(durability how) {
  tests::random_source random;
  const scratch_directory place;
  const words shared(1);
  std::vector<std::uint64_t> least(most_keys, 0);  // the generation that each key must have reached
  for (std::uint64_t generation = 1; generation <= 100; ++generation) {
    shared[0] = 0;
    {
      const tests::child writer([&] { return keep_records(place.path(), how, generation, shared); });
      ::usleep(static_cast<useconds_t>(random.below(generation % 10 == 0 ? 60'000 : 15'000)));
    }
    for (std::uint64_t i = 0; i < shared[0]; ++i) least[i] = generation;
    const store store(place.path());
    const auto runs = store.runs();
    ASSERT_TRUE(runs) << words_of(runs);
    if (runs->empty()) continue;  // it was killed before there was one
    const auto checked = store.check("run");
    ASSERT_TRUE(checked) << words_of(checked);
    ASSERT_EQ(checked->problems, std::vector<std::string>{});
    const journal reader = open(store, {.name = "run"});
    for (std::uint64_t i = 0; i < most_keys; ++i) {
      std::uint64_t found = 0;
      const auto outcome = reader.find(key_of(i), [&](const stored_item& item) {
        found = item.ordinal;
        ASSERT_EQ(owned_item(item).output, content_of(i, found)) << "half a record";
      });
      ASSERT_TRUE(outcome) << words_of(outcome);
      ASSERT_GE(found, least[i]) << "record " << i << " was said to be durable";
      ASSERT_LE(found, generation);
    }
  }
}

TEST(killed_writers, lose_nothing_that_was_durable_in_batches) { kill_again_and_again(durability::batch); }
TEST(killed_writers, lose_nothing_that_was_durable_without_syncs) { kill_again_and_again(durability::process); }
TEST(killed_writers, lose_nothing_that_was_durable_one_by_one) { kill_again_and_again(durability::strict); }

}  // namespace
}  // namespace selvage::test

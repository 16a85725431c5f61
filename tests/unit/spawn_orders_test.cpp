// The orders of a spawned supervisor as bytes.

#include "schema/spawn_orders.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/random.hpp"

namespace selvage::schema {
namespace {

spawn_orders sample() {
  spawn_orders it;
  it.format = 0x1234;
  it.lanes = 3;
  it.name = "decoder";
  it.event_fds = {4, 5, 6};
  it.inherit = {wire::InheritedFd(7, true), wire::InheritedFd(8, false)};
  it.recycle = std::make_unique<wire::RecycleOrdersT>();
  it.recycle->jitter = 0.25;
  it.restart = std::make_unique<wire::RestartOrdersT>();
  it.restart->start_timeout_ns = -1;
  it.worker = std::make_unique<wire::WorkerOrdersT>();
  it.worker->initializer = std::make_unique<wire::Place>(0, 99);
  auto& program = *it.modules.emplace_back(std::make_unique<wire::ModuleT>());
  program.build_id = {1, 2, 3};
  program.path = "the program";
  for (const char* const name : {"", "a task", "\xff\xfe"}) {
    auto& task = *it.tasks.emplace_back(std::make_unique<wire::SpawnedTaskT>());
    task.name = name;
    task.run = std::make_unique<wire::Place>(0, 1000);
    task.signature_check = std::make_unique<wire::Place>(0, 2000);
    task.signature_hash = ~std::uint64_t{0};
  }
  it.tasks[1]->function = std::make_unique<wire::Place>(0, ~std::uint64_t{0});
  return it;
}

TEST(spawn_orders, survive_the_round_trip) {
  const auto back = decode_spawn_orders(encode(sample()));
  ASSERT_TRUE(back) << back.error();
  EXPECT_EQ(back->format, 0x1234U);
  EXPECT_EQ(back->lanes, 3U);
  EXPECT_EQ(back->name, "decoder");
  EXPECT_EQ(back->bell_fd, -1);
  EXPECT_THAT(back->event_fds, ::testing::ElementsAre(4, 5, 6));
  ASSERT_EQ(back->inherit.size(), 2U);
  EXPECT_EQ(back->inherit[0].number(), 7);
  EXPECT_TRUE(back->inherit[0].close_on_exec());
  EXPECT_FALSE(back->inherit[1].close_on_exec());
  EXPECT_EQ(back->recycle->jitter, 0.25);
  EXPECT_EQ(back->restart->start_timeout_ns, -1);
  EXPECT_EQ(back->worker->initializer->offset(), 99U);
  EXPECT_EQ(back->worker->finalizer, nullptr);
  EXPECT_THAT(back->modules[0]->build_id, ::testing::ElementsAre(1, 2, 3));
  ASSERT_EQ(back->tasks.size(), 3U);
  EXPECT_EQ(back->tasks[0]->name, "");
  EXPECT_EQ(back->tasks[2]->name, "\xff\xfe");
  EXPECT_EQ(back->tasks[0]->function, nullptr);
  EXPECT_EQ(back->tasks[1]->function->offset(), ~std::uint64_t{0});
  EXPECT_EQ(back->tasks[1]->signature_hash, ~std::uint64_t{0});
}

TEST(spawn_orders, of_sixty_five_thousand_tasks_verify) {
  spawn_orders it = sample();
  while (it.tasks.size() < 65'536) it.tasks.push_back(std::make_unique<wire::SpawnedTaskT>(*it.tasks[1]));
  const auto back = decode_spawn_orders(encode(it));
  ASSERT_TRUE(back) << back.error();
  EXPECT_EQ(back->tasks.size(), 65'536U);
}

TEST(spawn_orders, do_not_decode_when_cut_short) {
  const std::vector<std::byte> whole = encode(sample());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::vector<std::byte> part(
        whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));  // so that a read behind is seen
    const auto back = decode_spawn_orders(part);
    if (back) {
      // only padding at the end may be missing
      EXPECT_EQ(encode(*back), whole) << size;
    }
  }
  EXPECT_FALSE(decode_spawn_orders(std::span(whole).first(whole.size() / 2)));
}

TEST(spawn_orders, decode_or_do_not_but_never_harm_when_bytes_are_changed) {
  tests::random_source random;
  const std::vector<std::byte> whole = encode(sample());
  unsigned refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::vector<std::byte> bad = whole;
    for (auto changes = 1 + random.below(4); changes > 0; --changes)
      bad[random.below(bad.size())] = static_cast<std::byte>(random.bits());
    if (const auto back = decode_spawn_orders(bad)) {
      (void)encode(*back);  // reads all of it
    } else {
      ++refused;
    }
  }
  EXPECT_GT(refused, 1000U);
}

TEST(spawn_orders, of_another_kind_are_refused_by_their_identifier) {
  std::vector<std::byte> whole = encode(sample());
  whole[4] = std::byte{'X'};
  EXPECT_EQ(decode_spawn_orders(whole).error(), "the bytes of a supervisor's orders do not verify");
}

}  // namespace
}  // namespace selvage::schema

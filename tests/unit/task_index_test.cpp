// From a task's record to its row, for none, one, many and the most that a pool may have.

#include "pool/task_index.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace selvage::host {
namespace {

using records = std::vector<std::shared_ptr<const detail::task_record>>;

records make(std::size_t count) {
  records all;
  for (std::size_t i = 0; i < count; ++i) all.push_back(std::make_shared<detail::task_record>());
  return all;
}

TEST(task_index, without_tasks_finds_none) {
  const task_index index({});
  EXPECT_EQ(index.find(*make(1)[0]), std::nullopt);
}

TEST(task_index, finds_one_and_not_another) {
  const records known = make(1);
  const task_index index(known);
  EXPECT_EQ(index.find(*known[0]), 0U);
  EXPECT_EQ(index.find(*make(1)[0]), std::nullopt);
}

TEST(task_index, finds_every_one_of_the_most_that_a_pool_may_have) {
  const records known = make(65'536);
  const records strangers = make(1'000);
  const task_index index(known);
  for (std::size_t i = 0; i < known.size(); ++i) ASSERT_EQ(index.find(*known[i]), i);
  for (const auto& stranger : strangers) ASSERT_EQ(index.find(*stranger), std::nullopt);
}

TEST(task_index, a_task_that_was_named_twice_has_one_row) {
  records known = make(2);
  known.push_back(known[0]);
  const task_index index(known);
  const auto row = index.find(*known[0]);
  ASSERT_TRUE(row.has_value());
  EXPECT_EQ(known[*row], known[0]);
  EXPECT_EQ(index.find(*known[1]), 1U);
}

}  // namespace
}  // namespace selvage::host

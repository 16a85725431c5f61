// Finalizers that go wrong: the worker was leaving, so nobody pays for it.

#include <stdexcept>

#include "tests/support/pool_fixture.hpp"
#include "tests/victims/victims.hpp"

namespace selvage::test {
namespace {

struct bad_end {
  const char* name;
  void (*finalizer)();
};
void PrintTo(const bad_end& how, std::ostream* out) { *out << how.name; }

class pool_bad_end : public pool_survives, public ::testing::WithParamInterface<bad_end> {};

// What is posted to a worker that retires moves on, however often that happens to it.
TEST_P(pool_bad_end, of_retiring_workers_costs_no_call) {
  pool pool(watched({.workers = 2,
                     .depth = {.window = 10ms},
                     .recycle = {.calls = 3, .jitter = 0},
                     .finalizer = GetParam().finalizer}),
            add);
  std::vector<future<int>> sums;
  for (int i = 0; i < 600; ++i) sums.push_back(pool.call(add, i, 1));
  for (int i = 0; i < 600; ++i) {
    const auto sum = sums[static_cast<std::size_t>(i)].result();
    ASSERT_TRUE(sum) << sum.error().report();
    EXPECT_EQ(*sum, i + 1);
  }
  const restart_stats restarts = pool.stats().restarts;
  EXPECT_GE(restarts.recycled_calls, 3U);
  EXPECT_EQ(restarts.exited + restarts.crashed, 0U);
}

const std::vector<bad_end> bad_ends = {
    {"throws", [] { throw std::runtime_error("cannot close"); }},
    {"exits", [] { ::_exit(9); }},
    {"crashes", [] { victims::dereference_null(); }},
};
INSTANTIATE_TEST_SUITE_P(each, pool_bad_end, ::testing::ValuesIn(bad_ends),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace selvage::test

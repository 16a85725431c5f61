// What an error says of the worker whose call failed although the worker did not.

#include <stdexcept>

#include "tests/support/pool_fixture.hpp"

namespace selvage::test {
namespace {

class pool_errors : public pool_survives {};

const auto thrower = task("thrower", [](int) -> int { throw std::runtime_error("no"); });
const auto too_much = task("too_much", [](int) { return std::string(64 << 10, 'x'); });

TEST_F(pool_errors, name_the_worker_that_had_the_call) {
  pool pool(watched({.workers = 1, .payload_cap = 4_KiB}), add, thrower, too_much);
  const int worker = all_worker_pids(pool).at(0);
  const auto thrown = pool.call(thrower, 1).result();
  ASSERT_EQ(code_of(thrown), errc::task_failed);
  EXPECT_EQ(thrown.error().details().worker_pid, worker);
  const auto large = pool.call(too_much, 1).result();
  ASSERT_EQ(code_of(large), errc::payload_too_large);
  EXPECT_EQ(large.error().details().worker_pid, worker);
}

TEST_F(pool_errors, name_no_worker_where_none_had_the_call) {
  pool pool(watched({.workers = 1}), add);
  EXPECT_EQ(pool.call(thrower, 1).result().error().details().worker_pid, 0);
  pool.shutdown();
  EXPECT_EQ(pool.call(add, 1, 2).result().error().details().worker_pid, 0);
}

}  // namespace
}  // namespace selvage::test

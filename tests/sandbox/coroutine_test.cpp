// Tasks that are coroutines, in strict workers: their event loop needs no grant.
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <selvage/asio.hpp>

#include "tests/support/pool_fixture.hpp"
#include "tests/victims/forbidden.hpp"

namespace selvage::test {
namespace {

namespace asio = boost::asio;

class strict_coroutines : public pool_survives {};

TEST_F(strict_coroutines, wait_side_by_side_and_are_refused_as_others_are) {
  const auto waiting = task("waiting", [](int value) -> asio::awaitable<int> {
    asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::milliseconds(20));
    co_await timer.async_wait(asio::use_awaitable);
    co_return value + victims::open_a_file();
  });
  pool pool(watched({.workers = 1, .permissions = permissions::strict()}), waiting, add);
  std::vector<future<int>> all;
  for (int i = 0; i < 20; ++i) all.push_back(pool.call(waiting, 1000 * i));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(all[static_cast<std::size_t>(i)].get(), 1000 * i + EACCES);
  EXPECT_EQ(pool.stats().lanes.at(0).refusals, 20U);
  expect_usable(pool);
}

}  // namespace
}  // namespace selvage::test

// Tasks that are coroutines, in a pool with an inline lane: they need an event loop, so they go to a worker.

#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/awaitable.hpp>
#include <vector>

#include <selvage/asio.hpp>
#include <selvage/selvage.hpp>

namespace selvage {
namespace {

const auto where = task("where", []() -> boost::asio::awaitable<std::int64_t> { co_return ::getpid(); });
const auto nap = task("nap", [](int ms) { ::usleep(static_cast<useconds_t>(ms) * 1000); });
const auto plain = task("plain", [] { return static_cast<std::int64_t>(::getpid()); });

TEST(inline_coroutine, goes_to_a_worker_though_the_inline_lane_is_first) {
  pool pool({.workers = 1, .inline_lane = {.where = inline_options::position::first}}, where, plain);
  for (int i = 0; i < 5; ++i) EXPECT_NE(pool.call(where).get(), ::getpid());
  bool here = false;
  for (int i = 0; i < 1000 && !here; ++i) here = pool.call(plain).get() == ::getpid();  // a caller that is late to wait
  EXPECT_TRUE(here);                                                                    // leaves it to the worker
}

TEST(inline_coroutine, goes_to_a_worker_though_none_has_room) {
  pool pool({.workers = 1, .depth = {.maximum = 1}, .inline_lane = {.where = inline_options::position::last}}, where,
            nap, plain);
  auto busy = pool.call(nap, 50);
  std::vector<future<std::int64_t>> calls;
  for (int i = 0; i < 5; ++i) calls.push_back(pool.call(where));
  auto behind = pool.call(plain);
  for (auto& call : calls) EXPECT_NE(call.get(), ::getpid());
  (void)behind.get();
  busy.get();
}

}  // namespace
}  // namespace selvage

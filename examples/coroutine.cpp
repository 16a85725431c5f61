// coroutine: Boost.Asio on both sides. Shows tasks that are coroutines, which take turns in one worker, and
// async_call, which makes a call something to co_await.

#include <chrono>
#include <cstdio>
#include <exception>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <selvage/asio.hpp>
#include <selvage/selvage.hpp>

namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

bool gate_open = false;  // each worker has its own

// Ends only once open_gate has run in the same worker: so the two take turns there.
asio::awaitable<int> wait_at_gate(int ticket) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  while (!gate_open) {
    timer.expires_after(1ms);
    co_await timer.async_wait(asio::use_awaitable);
  }
  co_return ticket;
}

asio::awaitable<void> open_gate() {
  gate_open = true;
  co_return;
}

const auto waiting = selvage::task("wait", wait_at_gate, {.timeout = 1min});
const auto opening = selvage::task("open", open_gate);
const auto add = selvage::task("add", [](int a, int b) { return a + b; });

// In this process: reads from top to bottom, and blocks no thread.
asio::awaitable<int> chain(selvage::pool& pool) {
  int sum = 0;
  for (int i = 1; i <= 10; ++i) sum = co_await pool.async_call(add, sum, i, asio::use_awaitable);
  co_return sum;
}

}  // namespace

int main() {
  selvage::pool pool({.workers = 1}, waiting, opening, add);

  auto first = pool.call(waiting, 1);
  auto second = pool.call(waiting, 2);
  pool.call(opening).get();
  const int tickets = first.get() * 10 + second.get();
  std::printf("tickets %d: three coroutines took turns in one worker\n", tickets);

  int sum = 0;
  asio::io_context context;
  asio::co_spawn(context, chain(pool), [&](const std::exception_ptr& problem, int result) {
    if (!problem) sum = result;
  });
  context.run();
  std::printf("1 + ... + 10 = %d\n", sum);
  return tickets == 12 && sum == 55 ? 0 : 1;
}

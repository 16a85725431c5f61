#pragma once
// Opt-in: Boost.Asio on both sides. pool::async_call with any completion token on the host's side, and tasks that are
// coroutines on the worker's.
//
//   std::vector<std::byte> pixels = co_await pool.async_call(decode, bytes, boost::asio::use_awaitable);
//
//   const auto ping = selvage::task("ping", [](std::chrono::milliseconds pause) -> boost::asio::awaitable<int> {
//     boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, pause);
//     co_await timer.async_wait(boost::asio::use_awaitable);
//     co_return 1;
//   });

#include <boost/asio/post.hpp>

#include <selvage/detail/async_call.hpp>
#include <selvage/detail/coroutine_task.hpp>

#pragma once
// Opt-in: Boost.Asio on both sides. pool::async_call with any completion token on the host's side.
//
//   std::vector<std::byte> pixels = co_await pool.async_call(decode, bytes, boost::asio::use_awaitable);

#include <boost/asio/post.hpp>

#include <selvage/detail/async_call.hpp>

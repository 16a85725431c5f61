// What a pool is that does nothing. works/footprint.py looks at the process from outside while it waits here.

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstdio>
#include <future>

#include <selvage/selvage.hpp>

#include "work.hpp"

namespace compare {
namespace {

constexpr int busy_calls = 500;

/// Blocks until the end of the input.
void hold() {
  std::puts("ready");
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
}

/// `call`: the answer to a number, which is that number.
template <class Call>
answer held(std::uint64_t begin, Call&& call) {
  require(call(7) == 7, "another answer has come back");
  const std::uint64_t first = limits::now_ns();
  for (int i = 0; i < busy_calls; ++i) require(call(i) == i, "another answer has come back");
  hold();
  return {{"first_ns", static_cast<double>(first - begin)}};
}

answer by_pool(unsigned workers, selvage::start start) {
  const auto same = selvage::task("same", [](int n) { return n; });
  const std::uint64_t begin = limits::now_ns();
  selvage::pool pool({.workers = workers, .start = start}, same);
  return held(begin, [&](int n) { return pool.call(same, n).get(); });
}

answer by_threads(unsigned workers) {
  const std::uint64_t begin = limits::now_ns();
  boost::asio::thread_pool threads(workers);
  return held(begin, [&](int n) {
    std::promise<int> same;
    auto found = same.get_future();
    boost::asio::post(threads, [&] { same.set_value(n); });
    return found.get();
  });
}

}  // namespace

answer footprint(const request& asked) {
  const auto workers = static_cast<unsigned>(asked.number("workers"));
  if (asked.peer == "selvage") return by_pool(workers, selvage::start::fork);
  if (asked.peer == "selvage_spawn") return by_pool(workers, selvage::start::spawn);
  if (asked.peer == "threads") return by_threads(workers);
  if (asked.peer == "alone") {
    hold();
    return {};
  }
  throw not_for_this("there is no such peer");
}

}  // namespace compare

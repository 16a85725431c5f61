#pragma once
// One-line fan-out: a function over every element of a range, in worker processes, results in input order.
//
//   const std::vector<std::uint64_t> sizes =
//       selvage::map(paths, [&](const fs::path& path) { return measure(path); }, {.workers = 8});
//
// The range and whatever the function captures reach the workers by fork: only results are encoded, so elements may be
// of any type. For timeouts, retries, errors as data or more than one pass, build a pool (or a run).

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <iterator>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

#include <selvage/pool.hpp>

namespace selvage {

struct map_options {
  unsigned workers = 0;                 ///< 0: as many as this process may use cores
  std::chrono::nanoseconds timeout{0};  ///< for each element; 0: none
  bytes memory{0};                      ///< for each worker, see pool_options::memory; 0: none
};

namespace detail {

/// Futures ahead of the one that is waited for: enough to keep every worker busy, few enough to stay small.
inline constexpr std::size_t map_window = 4096;

template <class Params>
inline constexpr bool changes_its_argument = false;
template <class P>
inline constexpr bool changes_its_argument<parameters<P>> =
    std::is_lvalue_reference_v<P> && !std::is_const_v<std::remove_reference_t<P>>;

}  // namespace detail

/// Returns: a vector of function(element) for each element, or nothing for a function without a result.
/// Errors: throws the selvage::error of the first element, in input order, that failed; what has not run by then
/// never runs. invalid_options names the pool_options field of the same name.
/// Blocks until all is done. Cost: a pool's start and end (about a millisecond for a small program), then about 100
/// ns an element.
template <std::ranges::forward_range Range, class Function>
auto map(Range&& items, Function function, const map_options& options = {}) {
  using element = std::ranges::range_reference_t<Range>;
  using returned = std::invoke_result_t<Function&, element>;
  using value = typename detail::result_codec<returned>::host_type;
  if constexpr (requires { &Function::operator(); }) {
    static_assert(
        !detail::changes_its_argument<typename detail::signature_of<Function>::params>,
        "selvage: the function of map changes its argument, and each worker has a copy: return the new value");
  }
  std::vector<std::ranges::iterator_t<Range>> places;
  for (auto it = std::ranges::begin(items); it != std::ranges::end(items); ++it) places.push_back(it);
  const auto at = task("map", [&](std::uint64_t index) -> returned { return function(*places[index]); });
  pool workers({.workers = options.workers, .timeout = options.timeout, .memory = options.memory}, at);

  std::deque<future<value>> ahead;
  std::size_t next = 0;
  const auto next_result = [&]() -> value {
    while (next < places.size() && ahead.size() < detail::map_window)
      ahead.push_back(workers.call(at, std::uint64_t{next++}));
    future<value> first = std::move(ahead.front());
    ahead.pop_front();
    return first.get();
  };
  if constexpr (std::is_void_v<value>) {
    for (std::size_t i = 0; i < places.size(); ++i) next_result();
  } else {
    std::vector<value> results;
    results.reserve(places.size());
    for (std::size_t i = 0; i < places.size(); ++i) results.push_back(next_result());
    return results;
  }
}

}  // namespace selvage

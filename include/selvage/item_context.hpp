#pragma once
// What a task that runs as part of a run may know of its item. Take it as the first parameter; it is supplied by
// selvage::run, and such a task can be called by nothing else:
//
//   const auto fetch = selvage::task("fetch", [](const selvage::item_context& item, std::string_view url) {
//     return download(url, item.deadline, item.stop);
//   });

#include <chrono>
#include <cstdint>
#include <string_view>

#include <selvage/abort_signal.hpp>

namespace selvage {

struct item_context {
  std::string_view key{};     ///< valid until the task returns; empty where the run has no keys
  std::uint64_t ordinal = 0;  ///< its place among the items of the run, from 0
  std::uint32_t attempt = 1;  ///< counted from 1
  /// Which of the active items' places it has, from 1: no two that are active have the same, and the lowest that is
  /// free is taken. For what a task keeps one of for each: a port, a scratch file.
  std::uint32_t place = 1;
  /// When this attempt is over its limits, and its worker killed; max() where it has none.
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
  abort_signal stop{};
};

namespace detail {

/// The part of an item_context that travels: the first argument of the call.
struct item_wire {
  std::string_view key;
  std::uint64_t ordinal;
  std::uint32_t attempt;
  std::uint32_t place;
  std::int64_t limit_ns;  ///< from the start of the attempt; 0: none

  [[nodiscard]] item_context in(const abort_signal& stop) const {
    item_context item{key, ordinal, attempt, place, std::chrono::steady_clock::time_point::max(), stop};
    if (limit_ns != 0) item.deadline = std::chrono::steady_clock::now() + std::chrono::nanoseconds(limit_ns);
    return item;
  }
};

}  // namespace detail

}  // namespace selvage

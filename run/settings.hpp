#pragma once
// The options of a run: validated, and with what was left open filled in. Called by: run.cpp.

#include <cstddef>
#include <functional>
#include <optional>

#include <selvage/detail/run_items.hpp>
#include <selvage/pool.hpp>

namespace selvage::run_detail {

/// Throws invalid_options, naming the field.
void validate(const detail::run_settings& settings);

/// The run of the store, where there is one. Throws what store::open returns, and invalid_options where there are
/// records and nobody said what to do with them.
[[nodiscard]] std::optional<journal> open_journal(const detail::run_settings& settings,
                                                  const std::function<void()>& on_news);

/// Items in the pool for each worker, where they are short and nothing was said.
inline constexpr unsigned most_for_each_worker = 32;

/// How many items are given to the pool at once, and how many are held.
struct sizes {
  unsigned workers;  ///< of the task's class
  unsigned parallel;
  std::size_t buffer;
  std::size_t window;
};
/// `parallel`, where it was left open: enough for long items, of which few should wait behind others.
[[nodiscard]] sizes sizes_of(const detail::run_settings& settings, const pool& pool);

}  // namespace selvage::run_detail

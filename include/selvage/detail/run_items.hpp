#pragma once
// What the run's scheduler asks of the typed half: items and values by slot, calls by slot, and nothing that has a
// type. Implemented by <selvage/run.hpp>; called by run/.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>

#include <selvage/detail/task_record.hpp>
#include <selvage/item_context.hpp>
#include <selvage/options.hpp>
#include <selvage/run_options.hpp>

namespace selvage {
class pool;
}

namespace selvage::detail {

/// A place for one item, one call and one value.
using run_slot = std::uint32_t;

enum class pulled : std::uint8_t { item, nothing_yet, end };

/// What emit is told, without types.
struct told_item {
  std::uint64_t ordinal;
  std::string_view key;
  const std::optional<error>& problem;
  bool has_value;  ///< also where there is a problem: a value that is a failure
  unsigned attempts;
  bool resumed;
  std::chrono::nanoseconds run_time;
  std::uint64_t peak_memory;
};

class run_items {
 public:
  virtual ~run_items() = default;

  /// Puts the next item into `slot`. Throws what the source throws.
  virtual pulled pull(run_slot slot) = 0;
  /// Nothing more is wanted of the source.
  virtual void stop_source() = 0;
  virtual std::string key(run_slot slot) = 0;
  virtual std::string group(run_slot slot) = 0;

  /// Gives the slot's item to the pool.
  virtual void start(run_slot slot, const item_wire& context, const call_options& options, bool larger) = 0;
  virtual void abort(run_slot slot) noexcept = 0;
  struct settled {
    run_slot slot;
    std::optional<error> problem;
    bool has_value;  ///< the slot has one
  };
  virtual std::optional<settled> pop() = 0;
  virtual void wait(std::chrono::nanoseconds time) = 0;
  /// Any thread.
  virtual void notify() noexcept = 0;

  /// The slot's value as bytes, valid until the next call. Called once for each that is put into the store.
  virtual std::span<const std::byte> encode(run_slot slot) = 0;
  /// Gives the slot the value of these bytes. Returns: why it has none, empty where it has.
  virtual std::string adopt(run_slot slot, std::span<const std::byte> encoded) = 0;
  /// Tells the program, and empties the slot.
  virtual void emit(run_slot slot, const told_item& what) = 0;
  virtual void drop(run_slot slot) noexcept = 0;
};

/// run_options without what has a type.
struct run_settings {
  std::string name;
  unsigned parallel;
  retry_options retry;
  std::chrono::nanoseconds timeout;
  std::chrono::nanoseconds item_timeout;
  std::chrono::nanoseconds grace;
  double timeout_percent;
  std::function<std::chrono::nanoseconds(std::size_t)> hold_back;
  bool has_keys;
  bool has_groups;
  selvage::group_limit group_limit;
  bool tells_values;  ///< there is an emit or a combine
  bool in_order;
  const selvage::store* store;
  bool resume;
  bool fresh;
  selvage::on_mismatch on_mismatch;
  std::function<bool(errc)> keep_failures;
  selvage::fingerprint fingerprint;
  std::string version;
  halt_options halt;
  std::size_t source_buffer;
  std::size_t window;
  std::stop_token stop;
  std::stop_token stop_now;
  std::function<void(const failed_attempt&)> on_failed_attempt;
  std::function<void(const run_progress&)> on_progress;
  std::chrono::nanoseconds progress_interval;
  std::shared_ptr<const task_record> task;
};

/// See selvage::fingerprint_of.
[[nodiscard]] fingerprint fingerprint_of(const task_record& task, std::string_view version, const fingerprint& more);

/// Runs all of it on the calling thread: see selvage::run. `begin`: called once the options are found to be valid and
/// the store is open; then there is a source.
[[nodiscard]] run_report run_all(run_items& items, const run_settings& settings, const pool& pool,
                                 const std::function<void()>& begin);

}  // namespace selvage::detail

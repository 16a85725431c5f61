#pragma once
// What a run can be told, and what it tells: see <selvage/run.hpp>. Aggregates for designated initialisers; every
// default stands beside its field. Validated once, when the run begins: selvage::error (invalid_options) names the
// field.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <type_traits>
#include <utility>
#include <vector>

#include <selvage/error.hpp>
#include <selvage/store.hpp>
#include <selvage/task.hpp>

namespace selvage {

/// When an item whose attempt has failed is tried again.
struct retry_options {
  unsigned attempts = 1;                                             ///< in all, 1 to 1,000; 1: never again
  std::chrono::nanoseconds backoff{std::chrono::milliseconds(100)};  ///< before the second attempt; doubles
  std::chrono::nanoseconds backoff_limit{std::chrono::seconds(30)};
  double jitter = 0.5;  ///< each pause is shortened by up to this part, at random, so that items do not come together
  /// Which errors are worth another attempt. Nothing: all but those that would come again (invalid_options,
  /// payload_too_large, permission_denied, unknown_task).
  std::function<bool(const error&)> worth{};
  /// Runs the attempts after one that ended with errc::out_of_memory: a task of the same pool and signature, with more
  /// task_options::memory.
  std::optional<any_task> larger{};
};

/// When a run ends before its items do.
struct halt_options {
  enum class when : std::uint8_t {
    never,
    soon,  ///< nothing more is started, what runs may finish
    now,   ///< what runs is aborted as well
  };
  enum class of : std::uint8_t { failures, successes, outcomes };
  when how = when::never;
  of what = of::failures;
  std::uint64_t count = 0;  ///< after so many; 0: not by number
  double percent = 0;       ///< of the outcomes, once there are three, over 0 to 100; 0: not by part
};

/// How many items of one group may be active at once.
struct group_limit {
  group_limit() = default;
  group_limit(unsigned same_for_all) : number(same_for_all) {}  // NOLINT: .group_limit = 2
  template <class Function>
  requires std::is_invocable_r_v<unsigned, Function&, std::string_view> group_limit(Function of_group)
      : of(std::move(of_group)) {}  // NOLINT: .group_limit = [](std::string_view) { ... }

  unsigned number = 0;                             ///< 0: as many as there are; ignored where there is a function
  std::function<unsigned(std::string_view)> of{};  ///< asked once for each group; 0: as many as there are
};

/// What a run is doing, for a progress bar.
struct run_progress {
  std::uint64_t pulled = 0;  ///< items that the source has given
  std::uint64_t succeeded = 0;
  std::uint64_t failed = 0;
  std::uint64_t resumed = 0;  ///< of these two, taken from the store
  std::uint64_t retries = 0;
  std::size_t active = 0;
  bool source_ended = false;  ///< `pulled` is all there is
  std::chrono::nanoseconds elapsed{0};
};

/// An attempt of an item that came to nothing.
struct failed_attempt {
  std::uint64_t ordinal = 0;  ///< of the item
  unsigned attempt = 1;
  unsigned place = 1;      ///< see item_context
  bool has_value = false;  ///< that run_options::judge says is a failure
  const error& problem;
};

/// What came of one item.
template <class T, class R>
struct item_outcome {
  std::uint64_t ordinal = 0;  ///< its place in the source, from 0
  std::string_view key{};     ///< valid during emit
  T* item = nullptr;          ///< valid during emit, which may move from it
  tl::expected<R, error> result;
  bool failed = false;                   ///< there is no value, or it is a failure by run_options::judge
  unsigned attempts = 0;                 ///< of this run or, resumed, of the run that ran it
  bool resumed = false;                  ///< taken from the store: an earlier run may have emitted it as well
  std::chrono::nanoseconds run_time{0};  ///< of the last attempt, from when it was given to the pool
  std::uint64_t peak_memory = 0;         ///< bytes, where a worker died of it
};

namespace detail {
/// A function that is told a value of a task, or that there is one where the task returns nothing.
template <class Returned, class Value>
struct told : std::type_identity<std::function<Returned(Value)>> {};
template <class Returned, class Nothing>
requires std::is_void_v<Nothing>
struct told<Returned, Nothing> : std::type_identity<std::function<Returned()>> {
};
template <class Returned, class R>
using told_value = typename told<Returned, std::add_lvalue_reference_t<R>>::type;
}  // namespace detail

template <class T, class R>
struct run_options {
  std::string name{};     ///< of the run, in its store: see journal_options::name
  unsigned parallel = 0;  ///< items given to the pool at once; 0: enough for all workers of the task's class
  retry_options retry{};
  std::chrono::nanoseconds timeout{0};       ///< of one attempt; 0: the task's or the pool's
  std::chrono::nanoseconds item_timeout{0};  ///< of all attempts of an item and the pauses between; 0: none
  std::chrono::nanoseconds grace{0};         ///< as call_options::grace
  /// An attempt that takes longer than so many percent of the median time of those that succeeded, once there are
  /// three, is ended as errc::timed_out; 0: none is. The median is known to within a tenth.
  double timeout_percent = 0;
  /// Asked before an item is started how long to wait and ask again; 0: it is started now. For pauses between starts,
  /// or until the machine has room. Called on the thread that called run, with how many items are active.
  std::function<std::chrono::nanoseconds(std::size_t)> hold_back{};
  /// The identity of an item: equal keys have equal results. With a store, and without this, text, paths and whole
  /// numbers are their own keys; other types need it.
  std::function<std::string(const T&)> key{};
  std::function<std::string(const T&)> group{};
  selvage::group_limit group_limit{};
  /// Told each outcome, on the thread that called run, in the order of the items. With a store an outcome is told once
  /// its record is durable. What it throws ends the run and leaves run().
  std::function<void(item_outcome<T, R>&&)> emit{};
  /// Told each value of a success, like emit and before it, and in the same order: for a fold into what it captures. It
  /// may not keep the value, which emit is given afterwards.
  detail::told_value<void, const R> combine{};
  /// Says why a value is a failure (errc::task_failed), or nothing where it is none: one that is, is tried again, and
  /// counted, as an exception would be. The value of the last attempt is told, and kept, all the same.
  detail::told_value<std::optional<std::string>, const R> judge{};
  bool in_order = true;  ///< false: outcomes are told as they come
  const selvage::store* store = nullptr;
  bool resume = false;  ///< go on with the records of the store; without it, a run that has any is refused
  bool fresh = false;   ///< forget the records of the store first
  selvage::on_mismatch on_mismatch = on_mismatch::refuse;
  /// Which failures in the store are taken for outcomes and not tried again. Nothing: none of them.
  std::function<bool(errc)> keep_failures{};
  /// Called with each value before it is put into the store, on the thread that called run: what the value speaks of
  /// and does not hold, such as a file, must be on the disk when it returns (store::files_of has room for it). It may
  /// change the value. What it throws ends the run and leaves run(). Nothing: values hold all that they speak of.
  detail::told_value<void, R> before_kept{};
  /// Asked of each value that the store gives back, whether what it speaks of is still there: where not, its item is
  /// run again. Called on the thread that called run.
  detail::told_value<bool, const R> still_holds{};
  std::string version{};               ///< of the task: part of the fingerprint
  selvage::fingerprint fingerprint{};  ///< more parts: whatever the results depend on
  halt_options halt{};
  std::size_t source_buffer =
      0;                   ///< items that are waiting or active, at most; 0: four for each active one, at least 64
  std::size_t window = 0;  ///< items pulled and not yet told, at most, where they are told in order; 0: 4 source_buffer
  std::stop_token stop{};  ///< nothing more is started, what runs may finish
  std::stop_token stop_now{};  ///< what runs is aborted as well
  /// Told each attempt that has failed, before another item is given its place: for a log, or for what it has left
  /// there. Called on the thread that called run. What it throws ends the run and leaves run().
  std::function<void(const failed_attempt&)> on_failed_attempt{};
  std::function<void(const run_progress&)> on_progress{};  ///< told on the thread that called run, and at the end
  std::chrono::nanoseconds progress_interval{std::chrono::milliseconds(200)};
};

/// How a run went.
struct run_report {
  enum class ending : std::uint8_t {
    finished,  ///< every item has an outcome
    stopped,   ///< by a stop token
    halted,    ///< by halt_options
    failed,    ///< `problem` says why
  };
  struct slow_item {
    std::string key{};  ///< or its ordinal, where there are no keys
    std::uint64_t ordinal = 0;
    std::chrono::nanoseconds run_time{0};
  };

  ending how = ending::finished;
  std::optional<error> problem{};  ///< source_failed, store_error, or what has become of the pool
  std::uint64_t items = 0;         ///< that the source has given
  std::uint64_t succeeded = 0;
  std::uint64_t failed = 0;
  std::uint64_t resumed = 0;  ///< of these two, taken from the store
  std::uint64_t not_run = 0;  ///< given by the source, and without an outcome when the run ended
  std::uint64_t attempts = 0;
  std::uint64_t retries = 0;
  std::vector<std::pair<errc, std::uint64_t>> failures{};  ///< by reason, the most frequent first
  std::vector<slow_item> slowest{};                        ///< up to ten, the slowest first
  std::uint64_t restarts = 0;                              ///< workers replaced during the run, for whatever reason
  std::chrono::nanoseconds wall{0};
  std::chrono::nanoseconds cpu{0};  ///< of the pool's workers during the run

  /// Every item has succeeded.
  [[nodiscard]] bool ok() const noexcept { return how == ending::finished && failed == 0; }
};

}  // namespace selvage

#pragma once
// A bounded run: a finite job, described in one value, that survives crashes of its tasks, of its program and of the
// machine, and goes on where it was by the identity of its items.
//
//   const auto decode = selvage::task("decode", decode_png);
//   selvage::pool pool({.workers = 8}, decode);
//   const selvage::store store("/var/lib/thumbnails");
//   const auto report = selvage::run(pool, decode, paths, {
//       .name = "2026-11", .retry = {.attempts = 3}, .timeout = 5s,
//       .emit = [&](auto&& outcome) { if (outcome.result) write(outcome.key, *outcome.result); },
//       .store = &store, .resume = true});
//   if (!report.ok()) return 1;
//
// When not to use it: for one pass over items that are in memory, selvage::map is one line; for work that never ends,
// call the pool; for work of a few microseconds an item, a loop is faster.
//
// Thread-safety: any number of runs, each on a thread of its own, may share a pool and a store.

#include <concepts>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <selvage/completion_queue.hpp>
#include <selvage/detail/run_items.hpp>
#include <selvage/detail/run_source.hpp>
#include <selvage/pool.hpp>
#include <selvage/run_options.hpp>

namespace selvage {

namespace detail {

template <class T>
concept its_own_key =
    std::convertible_to<const T&, std::string_view> || std::integral<T> || std::same_as<T, std::filesystem::path>;

template <class T>
std::string key_of(const T& item) {
  if constexpr (std::convertible_to<const T&, std::string_view>) {
    return std::string(std::string_view(item));
  } else if constexpr (std::same_as<T, std::filesystem::path>) {
    return item.string();
  } else {
    return std::to_string(item);
  }
}

/// Calls `use` with the arguments that an item stands for: itself, or its parts where the task takes several.
template <std::size_t Parameters, class T, class Use>
decltype(auto) with_arguments(T& item, Use&& use) {
  if constexpr (Parameters == 1) {
    return std::forward<Use>(use)(item);
  } else {
    static_assert(
        requires { std::tuple_size<T>::value; },
        "selvage: the items of a task with several parameters, or none, are tuples of its arguments");
    return std::apply(std::forward<Use>(use), item);
  }
}

template <class F, class T, class R>
class typed_items final : public run_items {
  using shape = typename task<F>::shape;
  using codec = result_codec<R>;
  using value_type = std::conditional_t<std::is_void_v<R>, std::monostate, R>;
  static constexpr std::size_t parameters = shape::arity - (shape::takes_item ? 1 : 0);

 public:
  typed_items(pool& pool, const task<F>& task, const run_options<T, R>& options)
      : pool_(pool), task_(task), options_(options), done_(pool) {}

  template <class S>
  void take_from(S&& source) {
    source_ = make_source<T>(std::forward<S>(source), [this] { done_.notify(); });
  }

  pulled pull(run_slot slot) override { return source_->pull(at(slot).item); }
  void stop_source() override { source_->stop(); }
  std::string key(run_slot slot) override {
    const T& item = *slots_[slot].item;
    if (options_.key) return options_.key(item);
    if constexpr (its_own_key<T>) {
      return key_of(item);
    } else {
      return {};
    }
  }
  std::string group(run_slot slot) override { return options_.group(*slots_[slot].item); }

  void start(run_slot slot, const item_wire& context, const call_options& options, bool larger) override {
    place& here = slots_[slot];
    const task_record& record = larger ? *options_.retry.larger->record() : *task_.record();
    call_ref<result_state<R>> state(new typed_call<typename shape::result>);
    with_arguments<parameters>(*here.item, [&](auto&... arguments) {
      const auto submit_source = [&](const payload_source& source) {
        submit(*pool_.core(), *state.get(), record, source, options, when_full::wait);
      };
      if constexpr (shape::takes_item) {
        with_source<shape>(submit_source, context, arguments...);
      } else {
        with_source<shape>(submit_source, arguments...);
      }
    });
    here.ticket = done_.add(future<R>(std::move(state)));
    if (here.ticket >= by_ticket_.size()) by_ticket_.resize(here.ticket + std::size_t{1});
    by_ticket_[here.ticket] = slot;
  }
  void abort(run_slot slot) noexcept override { done_.abort(slots_[slot].ticket); }

  std::optional<settled> pop() override {
    auto next = done_.pop();
    if (!next) return std::nullopt;
    const run_slot slot = by_ticket_[next->ticket];
    if (!next->result) return settled{slot, std::move(next->result.error()), false};
    if constexpr (!std::is_void_v<R>) slots_[slot].value.emplace(*std::move(next->result));
    return settled{slot, judge(slot), true};
  }
  void wait(std::chrono::nanoseconds time) override { done_.wait_for(time); }
  void notify() noexcept override { done_.notify(); }

  std::span<const std::byte> encode(run_slot slot) override {
    if constexpr (std::is_void_v<R>) {
      if (options_.before_kept) options_.before_kept();
      return {};
    } else {
      if (options_.before_kept) options_.before_kept(*slots_[slot].value);
      const payload_source source = codec::source(*slots_[slot].value);
      if (source.bound > room_) {
        encoded_.reset(new std::byte[source.bound]);  // new[] aligns to 16
        room_ = source.bound;
      }
      if (source.bound == 0) return {};
      const extent filled = source.write(source.value, {encoded_.get(), room_ & ~(payload_alignment - 1)});
      return {encoded_.get() + filled.offset, filled.length};
    }
  }
  std::string adopt(run_slot slot, std::span<const std::byte> encoded) override {
    auto decoded = codec::read({codec::form, encoded});
    if (!decoded) return std::move(decoded.error());
    constexpr std::string_view is_gone = "what it speaks of is gone";
    if constexpr (std::is_void_v<R>) {
      if (options_.still_holds && !options_.still_holds()) return std::string(is_gone);
    } else {
      if (options_.still_holds && !options_.still_holds(*decoded)) return std::string(is_gone);
      slots_[slot].value.emplace(*std::move(decoded));
    }
    return {};
  }

  void emit(run_slot slot, const told_item& what) override {
    place& here = slots_[slot];
    if (options_.combine && what.has_value) {
      if constexpr (std::is_void_v<R>) {
        options_.combine();
      } else {
        options_.combine(*here.value);
      }
    }
    if (options_.emit) {
      item_outcome<T, R> outcome{what.ordinal,
                                 what.key,
                                 &*here.item,
                                 tl::make_unexpected(error(errc::aborted, {})),
                                 what.problem.has_value(),
                                 what.attempts,
                                 what.resumed,
                                 what.run_time,
                                 what.peak_memory};
      if (!what.has_value) {
        outcome.result = tl::make_unexpected(*what.problem);
      } else if constexpr (std::is_void_v<R>) {
        outcome.result = {};
      } else {
        outcome.result = *std::move(here.value);
      }
      options_.emit(std::move(outcome));
    }
    drop(slot);
  }
  void drop(run_slot slot) noexcept override {
    slots_[slot].item.reset();
    slots_[slot].value.reset();
  }

 private:
  /// Nothing where the slot's value is none of a failure.
  std::optional<error> judge(run_slot slot) const {
    if (!options_.judge) return std::nullopt;
    std::optional<std::string> why;
    if constexpr (std::is_void_v<R>) {
      why = options_.judge();
    } else {
      why = options_.judge(*slots_[slot].value);
    }
    if (!why) return std::nullopt;
    failure what;
    what.code = errc::task_failed;
    what.task = task_.name();
    what.message = *std::move(why);
    return error(std::move(what));
  }

  struct place {
    std::optional<T> item;
    std::optional<value_type> value;
    std::uint32_t ticket = 0;
  };

  place& at(run_slot slot) {
    if (slot >= slots_.size()) slots_.resize(slot + std::size_t{1});
    return slots_[slot];
  }

  pool& pool_;
  const task<F>& task_;
  const run_options<T, R>& options_;
  std::vector<place> slots_;
  std::vector<run_slot> by_ticket_;
  std::unique_ptr<std::byte[]> encoded_;
  std::size_t room_ = 0;
  completion_queue<R> done_;
  std::unique_ptr<run_source<T>> source_;  // last: its thread notifies the queue
};

}  // namespace detail

/// What a run of `task` with these run_options is kept under: to say beforehand, with first_difference(), whether a run
/// that is in a store would be refused.
template <class F>
[[nodiscard]] fingerprint fingerprint_of(const task<F>& task, std::string_view version, const fingerprint& more) {
  return detail::fingerprint_of(*task.record(), version, more);
}

/// Runs `task` over every item and returns when that is over. `items`: a range; a function that returns
/// std::optional<T>, may block, and may take a std::stop_token; or a function that makes either. A range with more than
/// one pass is gone through on this thread; the others on one of their own, which is joined before run returns: what
/// blocks for ever should heed its stop_token. An item is the task's argument, or a tuple of its arguments.
///
/// Blocks until every item has an outcome, or the run was stopped, halted or failed. Memory: options.source_buffer
/// items, and options.window items with their values, however many there are.
/// Errors: a failed item is an outcome, and counted; what ends the run is run_report::problem. Thrown, before anything
/// has run: invalid_options names the field; store_busy, fingerprint_mismatch, store_error. Whatever a callback of the
/// options throws leaves run(), with calls aborted and records kept.
/// Cost: about 1 us an item beyond its call, and 1 us more with a store.
template <class F, class Source>
run_report run(
    pool& pool, const task<F>& task, Source&& items,
    const std::type_identity_t<run_options<detail::item_of<Source>, typename selvage::task<F>::result>>& options = {}) {
  using item = detail::item_of<Source>;
  detail::typed_items<F, item, typename selvage::task<F>::result> typed(pool, task, options);
  const detail::run_settings settings{
      .name = options.name,
      .parallel = options.parallel,
      .retry = options.retry,
      .timeout = options.timeout,
      .item_timeout = options.item_timeout,
      .grace = options.grace,
      .timeout_percent = options.timeout_percent,
      .hold_back = options.hold_back,
      .has_keys = detail::its_own_key<item> || options.key,
      .has_groups = static_cast<bool>(options.group),
      .group_limit = options.group_limit,
      .tells_values = options.emit || options.combine,
      .in_order = options.in_order,
      .store = options.store,
      .resume = options.resume,
      .fresh = options.fresh,
      .on_mismatch = options.on_mismatch,
      .keep_failures = options.keep_failures,
      .fingerprint = options.fingerprint,
      .version = options.version,
      .halt = options.halt,
      .source_buffer = options.source_buffer,
      .window = options.window,
      .stop = options.stop,
      .stop_now = options.stop_now,
      .on_failed_attempt = options.on_failed_attempt,
      .on_progress = options.on_progress,
      .progress_interval = options.progress_interval,
      .task = task.record(),
  };
  return detail::run_all(typed, settings, pool, [&] { typed.take_from(std::forward<Source>(items)); });
}

}  // namespace selvage

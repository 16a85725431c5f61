#pragma once
// Where the items of a run come from: a range, a callable that gives optional<T>, or a factory of either. What may
// block (a callable, a range of one pass such as an istream_view) is asked on a thread of its own, a few items ahead.
//
// Thread-safety: pull() by one thread; a threaded source tells it by `wake`, on its own.

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <ranges>
#include <stop_token>
#include <thread>
#include <type_traits>
#include <utility>

#include <selvage/detail/codec_types.hpp>
#include <selvage/detail/run_items.hpp>

namespace selvage::detail {

template <class S>
concept stoppable_callable = std::invocable<S&, std::stop_token>;
template <class S>
concept plain_callable = std::invocable<S&> && !stoppable_callable<S>;

/// What a callable source gives: optional<T>, or a source.
template <class S>
struct given_by;
template <stoppable_callable S>
struct given_by<S> : std::type_identity<std::invoke_result_t<S&, std::stop_token>> {};
template <plain_callable S>
struct given_by<S> : std::type_identity<std::invoke_result_t<S&>> {};

template <class S>
struct source_item {
  static_assert(sizeof(S) == 0,
                "selvage: the items of a run are a range, or a function that returns std::optional of an item (or a "
                "range, to make them)");
};
template <std::ranges::input_range S>
struct source_item<S> : std::type_identity<std::ranges::range_value_t<S>> {};
template <class S>
requires(!std::ranges::input_range<S> && requires { typename given_by<S>::type; }) struct source_item<S>
    : std::conditional_t<is_instance<std::remove_cvref_t<typename given_by<S>::type>, std::optional>,
                         std::type_identity<typename given_by<S>::type>,
                         source_item<std::remove_cvref_t<typename given_by<S>::type>>> {
};

template <class T>
struct without_optional : std::type_identity<T> {};
template <class T>
struct without_optional<std::optional<T>> : std::type_identity<T> {};

/// The T of a source.
template <class S>
using item_of = typename without_optional<typename source_item<std::remove_cvref_t<S>>::type>::type;

/// Items one after the other.
template <class T>
class run_source {
 public:
  virtual ~run_source() = default;
  virtual pulled pull(std::optional<T>& into) = 0;
  virtual void stop() = 0;
};

/// A range that is there already.
template <class T, class Range>
class range_source final : public run_source<T> {
 public:
  explicit range_source(Range&& range) : range_(std::forward<Range>(range)), at_(std::ranges::begin(range_)) {}
  pulled pull(std::optional<T>& into) override {
    if (stopped_ || at_ == std::ranges::end(range_)) return pulled::end;
    into.emplace(*at_);
    ++at_;
    return pulled::item;
  }
  void stop() override { stopped_ = true; }

 private:
  Range range_;  // a reference, where the caller keeps it
  std::ranges::iterator_t<std::remove_reference_t<Range>> at_;
  bool stopped_ = false;
};

/// A function that may block, asked ahead by a thread of its own.
template <class T>
class threaded_source final : public run_source<T> {
 public:
  using ask = std::function<std::optional<T>(const std::stop_token&)>;

  threaded_source(ask next, std::function<void()> wake)
      : next_(std::move(next)), wake_(std::move(wake)), thread_([this](const std::stop_token& stop) { run(stop); }) {}
  ~threaded_source() override { stop(); }

  pulled pull(std::optional<T>& into) override {
    const std::lock_guard guard(mutex_);
    if (!ahead_.empty()) {
      into.emplace(std::move(ahead_.front()));
      ahead_.pop_front();
      if (ahead_.size() == most_ahead / 2) room_.notify_one();
      return pulled::item;
    }
    if (problem_) std::rethrow_exception(std::exchange(problem_, nullptr));
    return ended_ ? pulled::end : pulled::nothing_yet;
  }
  void stop() override {
    thread_.request_stop();
    const std::lock_guard guard(mutex_);
    ahead_.clear();
    ended_ = true;
    room_.notify_one();
  }

 private:
  static constexpr std::size_t most_ahead = 64;

  // By itself: g++ 12 with -O1 gives an optional a value where the assignment to it throws within a try.
  std::optional<T> ask_for_next(const std::stop_token& stop, std::exception_ptr& problem) const {
    try {
      return next_(stop);
    } catch (...) {
      problem = std::current_exception();
      return std::nullopt;
    }
  }

  void run(const std::stop_token& stop) {
    for (;;) {
      {
        std::unique_lock lock(mutex_);
        room_.wait(lock, [&] { return ended_ || ahead_.size() < most_ahead; });
        if (ended_) return;
      }
      std::exception_ptr problem;
      std::optional<T> item = ask_for_next(stop, problem);
      const bool last = !item;
      bool first = false;
      {
        const std::lock_guard guard(mutex_);
        if (ended_) return;
        first = ahead_.empty();
        if (item) ahead_.push_back(*std::move(item));
        problem_ = std::move(problem);  // whoever takes it is the only one who has it
        ended_ = last;
      }
      if (first || last) wake_();
      if (last) return;
    }
  }

  const ask next_;
  const std::function<void()> wake_;
  std::mutex mutex_;
  std::condition_variable room_;
  std::deque<T> ahead_;
  std::exception_ptr problem_;
  bool ended_ = false;
  std::jthread thread_;  // last: it uses the rest, and is joined first
};

template <class T, class S>
std::unique_ptr<run_source<T>> make_source(S&& source, std::function<void()> wake) {
  using bare = std::remove_cvref_t<S>;
  if constexpr (std::ranges::forward_range<bare>) {
    return std::make_unique<range_source<T, S>>(std::forward<S>(source));
  } else if constexpr (std::ranges::input_range<bare>) {
    // Begun by the thread that goes through it: that may block as well.
    auto kept = std::make_shared<std::pair<S, std::optional<std::ranges::iterator_t<std::remove_reference_t<S>>>>>(
        std::forward<S>(source), std::nullopt);
    return std::make_unique<threaded_source<T>>(
        [kept](const std::stop_token&) -> std::optional<T> {
          auto& [range, at] = *kept;
          if (at) {
            ++*at;
          } else {
            at.emplace(std::ranges::begin(range));
          }
          if (*at == std::ranges::end(range)) return std::nullopt;
          return std::optional<T>(std::in_place, **at);
        },
        std::move(wake));
  } else {
    using given = std::remove_cvref_t<typename given_by<bare>::type>;
    const auto ask = [](auto& function, const std::stop_token& stop) {
      if constexpr (stoppable_callable<bare>) {
        return function(stop);
      } else {
        return function();
      }
    };
    if constexpr (is_instance<given, std::optional>) {
      auto kept = std::make_shared<std::tuple<S>>(std::forward<S>(source));
      return std::make_unique<threaded_source<T>>(
          [kept, ask](const std::stop_token& stop) -> std::optional<T> { return ask(std::get<0>(*kept), stop); },
          std::move(wake));
    } else {
      return make_source<T>(given(ask(source, {})), std::move(wake));
    }
  }
}

}  // namespace selvage::detail

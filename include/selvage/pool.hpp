#pragma once
// A pool of supervised worker processes, called like functions.
//
//   const auto add = selvage::task("add", [](int a, int b) { return a + b; });
//   selvage::pool pool({.workers = 2}, add);
//   int three = pool.call(add, 1, 2).get();
//
// A task that crashes, hangs or throws costs its caller one selvage::error; every other call is unaffected and the
// worker is replaced. What is guaranteed, and what is not, is in docs/architecture.md.
//
// Thread-safety: every member function may be called from any number of threads, except the destructor. In a forked
// child of this process the pool answers with errc::pool_closed and its destruction does nothing.

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <tl/expected.hpp>
#include <type_traits>
#include <utility>
#include <vector>

#include <selvage/detail/submit.hpp>
#include <selvage/future.hpp>
#include <selvage/in_place.hpp>
#include <selvage/options.hpp>
#include <selvage/stats.hpp>
#include <selvage/task.hpp>

namespace selvage {

class pool {
 public:
  /// Starts the supervisor and the workers. Blocks until every worker is ready or cannot be had.
  /// Errors (thrown as selvage::error): invalid_options names the field; worker_start_failed when the workers
  /// of every lane die before they are ready oftener than the restart budget allows (a pool of those that can be had is
  /// a pool: stats() and the hook say which lanes failed); payload_exhausted when /dev/shm has no room; too_many_tasks
  /// over 65,536.
  /// Cost: a fork of this process and one of the supervisor for each worker.
  template <class... F>
  explicit pool(pool_options options, const task<F>&... tasks)
      : pool(std::move(options), std::vector<any_task>{any_task(tasks)...}) {}
  pool(pool_options options, const std::vector<any_task>& tasks);

  /// The pool that was moved from can only be destroyed: a call of it ends the program.
  pool(pool&&) noexcept = default;
  pool& operator=(pool&&) = delete;
  /// shutdown(0), where it was not called. Blocks until every process of the pool is gone.
  ~pool();

  /// Gives `task` to a worker. Arguments are copied into shared memory before this returns; a future among them is
  /// awaited first, without blocking, and if it fails the call fails with its error and the task does not run.
  /// Blocks: while every worker has enough to do and the queue is full. Errors: in the future. Throws only what an
  /// in_place fill throws, and what says that arguments cannot be encoded: std::invalid_argument, std::bad_alloc, or
  /// payload_too_large where they nest deeper than 64 levels. Where they wait for a future, that is in the future too.
  /// Cost: about 100 ns and one allocation for small arguments; one copy for large ones.
  template <class F, class... A>
  [[nodiscard]] future<typename task<F>::result> call(const task<F>& task, A&&... arguments) {
    return call_with({}, task, std::forward<A>(arguments)...);
  }

  /// The same under options of its own. Errors: invalid_options, in the future, where one of them is out of range.
  template <class F, class... A>
  [[nodiscard]] future<typename task<F>::result> call_with(const call_options& options, const task<F>& task,
                                                           A&&... arguments) {
    return begin(options, detail::when_full::wait, task, std::forward<A>(arguments)...);
  }

  /// Like call, but where call would wait it returns errc::queue_full. Never blocks. Futures among the arguments are
  /// consumed even then, and their calls aborted: where you mean to try again, wait for them first.
  template <class F, class... A>
  [[nodiscard]] tl::expected<future<typename task<F>::result>, error> try_call(const task<F>& task, A&&... arguments) {
    return try_call_with({}, task, std::forward<A>(arguments)...);
  }

  /// The same under options of its own.
  template <class F, class... A>
  [[nodiscard]] tl::expected<future<typename task<F>::result>, error> try_call_with(const call_options& options,
                                                                                    const task<F>& task,
                                                                                    A&&... arguments) {
    using result = typename selvage::task<F>::shape::result;
    auto state =
        detail::call_ref<detail::result_state<typename selvage::task<F>::result>>(new detail::typed_call<result>);
    start<F>(*state.get(), task, options, detail::when_full::refuse, std::forward<A>(arguments)...);
    if (state->settled() && state->problem && state->problem->code() == errc::queue_full) {
      return tl::make_unexpected(*state->problem);
    }
    return future<typename selvage::task<F>::result>(std::move(state));
  }

  /// Like call, for a trusted task whose result is one string, byte span or vector of scalars: the result is looked at
  /// where the worker wrote it, without a copy. The worker can change those bytes while you look: only for tasks that
  /// you trust. A view that is held when its worker dies, or the answered future of one, keeps that worker's place
  /// empty until it is dropped: in a pool of one, drop it before you wait for another call, or for room to make one.
  template <class F, class... A>
  [[nodiscard]] future<trusted_view> call_trusted(const task<F>& task, A&&... arguments) {
    return call_trusted_with({}, task, std::forward<A>(arguments)...);
  }

  /// The same under options of its own.
  template <class F, class... A>
  [[nodiscard]] future<trusted_view> call_trusted_with(const call_options& options, const task<F>& task,
                                                       A&&... arguments) {
    using codec = detail::result_codec<typename selvage::task<F>::shape::result>;
    static_assert(codec::form == detail::payload_form::flat,
                  "only a result that is one string, byte span or vector of scalars can be viewed in place");
    auto state = detail::call_ref<detail::result_state<trusted_view>>(new detail::view_call);
    start<F>(*state.get(), task, options, detail::when_full::wait, std::forward<A>(arguments)...);
    return future<trusted_view>(std::move(state));
  }

  /// async_call(task, arguments..., token): the call as an Asio operation with the signature void(std::exception_ptr,
  /// T), or void(std::exception_ptr) for a task without a result. Defined in <selvage/asio.hpp>. Never blocks: where
  /// call would, it waits in line, and each operation that does keeps its arguments in this process. The handler runs
  /// by its executor, never inside this function. Cancelling the operation aborts the call. The pool must not be moved
  /// or destroyed before a lazy token (deferred, use_awaitable) has been started.
  template <class F, class... ArgumentsThenToken>
  auto async_call(const task<F>& task, ArgumentsThenToken&&... arguments_then_token);

  /// The same under options of its own.
  template <class F, class... ArgumentsThenToken>
  auto async_call_with(const call_options& options, const task<F>& task, ArgumentsThenToken&&... arguments_then_token);

  /// Closes the pool: from now on calls are refused with errc::pool_closed. What is queued and running may finish
  /// within `drain`; what is left then settles with pool_closed. Then ends every process of the pool. Idle workers run
  /// their finalizer. May be called again, from several threads, and from a callback. Blocks: at most `drain`, and then
  /// for as long as the kernel takes to end the processes (workers that are running finalizers: at most 5 s).
  void shutdown(std::chrono::nanoseconds drain = std::chrono::nanoseconds(0));

  /// Cost: microseconds; copies the figures under the pool's lock.
  [[nodiscard]] pool_stats stats() const;

  [[nodiscard]] const std::shared_ptr<detail::pool_core>& core() const noexcept { return core_; }

 private:
  template <class F, class... A>
  future<typename task<F>::result> begin(const call_options& options, detail::when_full full, const task<F>& task,
                                         A&&... arguments) {
    using result = typename selvage::task<F>::shape::result;
    auto state =
        detail::call_ref<detail::result_state<typename selvage::task<F>::result>>(new detail::typed_call<result>);
    start<F>(*state.get(), task, options, full, std::forward<A>(arguments)...);
    return future<typename selvage::task<F>::result>(std::move(state));
  }

  template <class F, class... A>
  void start(detail::call_state& state, const task<F>& task, const call_options& options, detail::when_full full,
             A&&... arguments) {
    using shape = typename selvage::task<F>::shape;
    detail::require(core_ != nullptr, "a pool that was moved from was asked for a call");
    static_assert(
        sizeof...(A) == shape::arity,
        "selvage: the call has not as many arguments as the task has parameters; a leading abort_signal is not given");
    if constexpr ((detail::is_future<std::remove_cvref_t<A>>::value || ...)) {
      detail::start_after<shape>(*core_, state, *task.record(), options, full, std::forward<A>(arguments)...);
    } else {
      detail::with_source<shape>(
          [&](const detail::payload_source& source) {
            detail::submit(*core_, state, *task.record(), source, options, full);
          },
          arguments...);
    }
  }

  std::shared_ptr<detail::pool_core> core_;
};

}  // namespace selvage

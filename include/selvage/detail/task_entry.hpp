#pragma once
// A task with its types erased: what the worker needs in order to run it, and what a thunk gets from the worker.
// The thunks are made by <selvage/task.hpp>; coroutine thunks by <selvage/asio.hpp>.

#include <cstdint>
#include <exception>
#include <memory>
#include <string>

#include <selvage/abort_signal.hpp>
#include <selvage/detail/payload.hpp>

namespace selvage::detail {

/// Runs ready handlers of a worker's coroutines. Implemented by <selvage/asio.hpp>, owned by the worker, made at the
/// first coroutine.
class event_loop {
 public:
  virtual ~event_loop() = default;
  /// Runs what is ready. Never blocks.
  virtual void poll() = 0;
  /// Blocks until a handler has run or `event_fd` is readable (the worker drains it).
  virtual void wait(int event_fd) = 0;
};

/// The answer to one call, given once: a result, or the exception that came instead.
class reply_port {
 public:
  /// Encodes and places the result. A result over the cap, or without room, becomes that error: nothing is thrown.
  virtual void reply(const payload_source& result) noexcept = 0;
  virtual void fail(std::exception_ptr problem) noexcept = 0;

 protected:
  ~reply_port() = default;
};

/// What the worker offers to the call that it runs.
class call_context {
 public:
  payload_view arguments;  ///< trusted bytes in the request arena; valid until the call is answered
  abort_signal abort;

  /// A synchronous task answers here, before its thunk returns; what it throws is caught by the worker.
  virtual reply_port& port() noexcept = 0;
  /// A coroutine task answers later: the port outlives the thunk and is destroyed by its one answer. Worker's main
  /// thread only.
  virtual reply_port& defer() = 0;
  /// The worker's event loop, made by `make` at the first use.
  virtual event_loop& loop(std::unique_ptr<event_loop> (*make)()) = 0;

 protected:
  ~call_context() = default;
};

using task_thunk = void (*)(const void* closure, call_context& context);

/// One row of a worker's task table.
struct task_entry {
  std::string name;
  const void* closure = nullptr;  ///< the callable; null for one without state
  task_thunk run = nullptr;
};

}  // namespace selvage::detail

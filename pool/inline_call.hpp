#pragma once
// One call of the inline lane: runs a task in this process, on the thread that waits. What the worker's loop is for a
// worker, without any of its protection.

#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <span>

#include <selvage/detail/call_state.hpp>
#include <selvage/detail/task_entry.hpp>
#include <selvage/detail/task_record.hpp>

#include "schema/exception_report.hpp"

namespace selvage::host {

class inline_call final : public detail::call_context, private detail::reply_port {
 public:
  explicit inline_call(detail::call_state& call) noexcept;
  virtual ~inline_call() = default;

  /// Runs the task. Throws nothing that the task throws.
  void run(const detail::task_record& task);

  /// What came of it: bytes of the task's result form, or an exception. Valid until this object goes.
  [[nodiscard]] detail::payload_view answer() const noexcept {
    return {form_, {bytes_.get() + used_.offset, used_.length}};
  }
  [[nodiscard]] const std::optional<schema::exception_report>& exception() const noexcept { return exception_; }

  detail::reply_port& port() noexcept override { return *this; }
  /// A coroutine needs a worker's event loop. Errors: std::logic_error, always.
  detail::reply_port& defer() override;
  detail::event_loop& loop(std::unique_ptr<detail::event_loop> (*make)()) override;

 private:
  void reply(const detail::payload_source& result) noexcept override;
  void fail(std::exception_ptr problem) noexcept override;

  detail::payload_form form_ = detail::payload_form::none;
  std::unique_ptr<std::byte[]> bytes_;
  detail::extent used_;
  std::optional<schema::exception_report> exception_;
};

}  // namespace selvage::host

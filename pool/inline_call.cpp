// See inline_call.hpp.

#include "pool/inline_call.hpp"

#include <stdexcept>

#include "base/clock.hpp"
#include "schema/describe_exception.hpp"

namespace selvage::host {

inline_call::inline_call(detail::call_state& call) noexcept {
  arguments = {call.kept.form, {call.kept.storage.get() + call.kept.used.offset, call.kept.used.length}};
  // Nothing can kill a run in this process: its timeout raises the signal, and that is all.
  const std::uint64_t limit =
      call.timeout_ns == 0 ? base::never_ns : base::saturating_add(base::now_ns(), call.timeout_ns);
  abort = abort_signal(
      {.word = &call.abort_word, .mask = 1, .base = 0, .soft_limit_ns = limit, .doorbell = &call.abort_bell});
}

void inline_call::run(const detail::task_record& task) {
  try {
    task.run(task.closure, *this);
  } catch (...) {
    fail(std::current_exception());
  }
}

void inline_call::reply(const detail::payload_source& result) noexcept {
  try {
    form_ = result.form;
    bytes_.reset(new std::byte[result.bound + 1]);
    if (result.write != nullptr) used_ = result.write(result.value, {bytes_.get(), result.bound});
  } catch (...) {
    fail(std::current_exception());
  }
}

void inline_call::fail(std::exception_ptr problem) noexcept { exception_ = schema::describe(problem); }

detail::reply_port& inline_call::defer() {
  throw std::logic_error("a coroutine task cannot run on the inline lane: it needs a worker");
}

detail::event_loop& inline_call::loop(std::unique_ptr<detail::event_loop> (*)()) {
  (void)defer();
  std::terminate();
}

}  // namespace selvage::host

// The loop of loop.hpp: batches, single calls, and what happens between them.
#include "worker/loop.hpp"

#include <cxxabi.h>
#include <sched.h>

#include <atomic>
#include <bit>
#include <stdexcept>

#include "base/clock.hpp"
#include "base/syscalls.hpp"
#include "worker/crash_recorder.hpp"
#include "worker/exit_hooks.hpp"
#include "worker/running_call.hpp"

namespace selvage::worker {
namespace {

constexpr int many_calls = 32;
constexpr std::uint64_t gathering_ns = 1'000;

}  // namespace

loop::loop(const lane_window& window, shm::worker_lane lane, const seat& place, const settings& given,
           std::span<const detail::task_entry> tasks)
    : lane_(lane),
      words_(*window.request.words),
      orders_(*window.orders),
      tasks_(tasks),
      epoch_(place.epoch),
      event_fd_(place.event_fd),
      memory_(given.limits.memory_bytes),
      processor_is_limited_(given.limits.cpu_ns != 0),
      may_fork_(given.limits.may_fork),
      idler_(given.idle),
      results_(lane_, {given.response_initial_bytes, place.shape.response_arena_bytes}, given.payload_cap_bytes,
               given.idle),
      call_(std::make_unique<running_call>(*this)) {}

loop::~loop() = default;

void loop::serve() {
  while (!retiring()) {
    if (crowded_) let_calls_gather();
    if (spent_) {
      rest_until_retired();
    } else if (const std::uint64_t pending = lane_.pending(); pending != 0) {
      serve_batch(pending);
      if (deferred_ != 0) run_coroutines();
    } else if (deferred_ != 0) {
      rest_with_coroutines();
    } else {
      rest();
    }
  }
  while (deferred_ != 0) rest_with_coroutines();
  announce();
}

void loop::serve_batch(std::uint64_t pending) {
  bool alone = !shm::several(pending);
  if (now_ns_ == 0) now_ns_ = base::now_ns();
  do {
    const unsigned slot = lane_.next(pending);
    pending &= ~shm::bit(slot);
    if (pending != 0) lane_.fetch(lane_.following(pending));
    const shm::taken_call call = lane_.take(slot, alone);
    crowded_ = (call.flags & shm::request_flags::in_crowd) != 0;
    const std::uint64_t started_ns = now_ns_;
    if (processor_is_limited_) {
      lane_.stamp_processor_time(may_fork_ ? base::processor_time_with_children_ns() : base::processor_time_ns());
    }
    const bool wanted = lane_.start(slot, call.flags, started_ns);
    if (unannounced_ != 0) lane_.wake_host(unannounced_, true);
    unannounced_ = 0;
    results_.begin(slot);
    lane_.response(slot).call_id = call.call_id;
    if (!wanted) {
      results_.write_status(slot, shm::response_status::skipped);
    } else if (!run(slot, call)) {
      now_ns_ = base::now_ns();
      continue;
    }
    alone = pending == 0;
    close(slot, started_ns, alone);
    unannounced_ = news_of(slot);
  } while (pending != 0 && !retiring() && !spent_);
}

// Runs the call that was started at now_ns_. Returns: true when it is answered and is to be closed; false for a
// coroutine, whose reply closes it.
bool loop::run(unsigned slot, const shm::taken_call& call) {
  crash_recorder::running(call.call_id);
  call_->begin(slot, call, now_ns_);
  try {
    if (call.task >= tasks_.size()) throw std::out_of_range("no such task in this worker");
    const detail::task_entry& task = tasks_[call.task];
    task.run(task.closure, *call_);
    if (!call_->answered()) throw std::logic_error("the task's thunk returned without an answer");
  } catch (const abi::__forced_unwind&) {
    throw;  // pthread_exit: the caller of serve() ends the process
  } catch (...) {
    call_->fail(std::current_exception());
  }
  return !call_->deferred();
}

// The answer is written: says so.
void loop::close(unsigned slot, std::uint64_t started_ns, bool alone) noexcept {
  now_ns_ = base::now_ns();
  seal(lane_.response(slot), now_ns_ - started_ns);
  lane_.finish(slot, alone);
}

// What a task has leaked would count against the next one: nothing more is started here. The host, which sees it in the
// answer, asks for this worker to be replaced, and what is posted moves on.
void loop::seal(shm::response_header& answer, std::uint64_t service_ns) noexcept {
  answer.service_ns = service_ns;
  spent_ = spent_ || (memory_.is_limited() && (results_.ran_out_of_memory() || memory_.is_spent(service_ns)));
  answer.flags = spent_ ? shm::response_flags::spent : 0;
}

// That nothing more is started here is news beyond the answer.
std::uint64_t loop::news_of(unsigned slot) const noexcept { return spent_ ? shm::every_slot : shm::bit(slot); }

// At any time: the next call's start has nothing to do with it.
void loop::close_deferred(unsigned slot, std::uint64_t started_ns) noexcept {
  seal(lane_.response(slot), base::now_ns() - started_ns);
  lane_.finish(slot);
  deferred_ &= ~shm::bit(slot);
  lane_.wake_host(news_of(slot), false);
}

void loop::announce() noexcept {
  // A host that was asleep may have been woken on this very processor.
  if (unannounced_ != 0 && lane_.wake_host(unannounced_, false)) ::sched_yield();
  unannounced_ = 0;
}

// Nothing is posted and nothing is deferred.
void loop::rest() {
  announce();
  crash_recorder::running(0);
  now_ns_ = 0;
  const auto called = [&] {
    lane_.prefetch_newest();
    return lane_.pending() != 0 || retiring();
  };
  if (idler_.spin(called)) return;
  flush_stdout();  // what tasks have printed is seen while nothing runs
  idler_.park(lane_, called);
}

// A host that posts one call after another would lose the line of `posted` to each look, and wait for it at each post.
// Returns: once many wait, or no more have come for a while.
void loop::let_calls_gather() noexcept {
  announce();
  crowded_ = false;
  for (int before = -1;;) {
    const int waiting = std::popcount(lane_.pending());
    if (waiting >= many_calls || waiting == before) return;
    before = waiting;
    for (const std::uint64_t until = base::now_ns() + gathering_ns; base::now_ns() < until;) shm::spin_pause();
  }
}

void loop::rest_until_retired() noexcept {
  constexpr std::uint64_t nap_ns = 10'000'000;  // the supervisor nudges as well
  announce();
  crash_recorder::running(0);
  const shm::watched_word bell = lane_.doorbell();
  if (!retiring()) shm::wait_on(*bell.word, bell.expected, base::now_ns() + nap_ns);
}

// Runs the handlers that are ready, however long that takes: the clock is read again before the next call. Which
// coroutine one belongs to is known only where there is one.
void loop::run_coroutines() {
  const bool one = std::has_single_bit(deferred_);
  crash_recorder::running(one ? lane_.response(shm::first_from(deferred_, 0)).call_id : 0);
  events_->poll();
  now_ns_ = 0;
}

// Some calls are deferred: runs their handlers, and sleeps where no more calls can be started.
void loop::rest_with_coroutines() {
  announce();
  run_coroutines();
  const auto may_sleep = [&] { return deferred_ != 0 && (retiring() || lane_.pending() == 0); };
  if (!may_sleep()) return;
  const bool seen = lane_.prepare_to_sleep(shm::parked::event);
  if (!seen) ::sched_yield();  // the host may not ring: poll
  if (seen && may_sleep()) events_->wait(event_fd_);
  lane_.set_awake();
  base::drain_eventfd(event_fd_);
}

}  // namespace selvage::worker

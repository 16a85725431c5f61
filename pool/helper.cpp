// The helper thread: one a pool, started when it is first needed. It runs callbacks, collects while callbacks or queued
// calls wait and nobody else collects, and looks now and then after calls that were posted behind others.

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <utility>

#include "base/clock.hpp"
#include "pool/collecting.hpp"
#include "pool/core.hpp"

namespace selvage::detail {
namespace {

/// How often a watching helper looks: half as often each time that it finds somebody else collecting, down to a
/// quarter. After how many looks in vain it sleeps until it is called.
constexpr std::uint64_t watch_interval_ns = 1'000'000;
constexpr unsigned most_halvings = 2;
constexpr unsigned watches_in_vain = 10;

/// Queued calls are left to the program's own threads, which are likely to wait for them, for so long; where these have
/// collected since the last look, for so much longer: their workers have work ahead for longer than that.
constexpr std::uint64_t stand_by_ns = 100'000;
constexpr std::uint64_t stand_by_collectors_ns = 1'500'000;

}  // namespace

// Requires: the lock. Starts the thread, or wakes it where it sleeps more deeply than its duty allows.
void pool_core::need_helper(helper_duty duty) {
  if (helper_does_ >= duty) return;
  helper_does_ = duty;
  if (helper_runs_) return wake_helper();
  if (helper_stop_) return;
  // Signals are for the program's own threads.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    helper_ = std::thread([self = shared_from_this()] { self->helper_loop(); });
    helper_runs_ = true;
  } catch (const std::system_error&) {
    helper_does_ = helper_duty::none;  // without it, progress is made by whoever waits; a later call tries again
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void pool_core::wake_helper() noexcept {
  if (!helper_runs_ || std::this_thread::get_id() == helper_.get_id()) return;
  summon(helper_waiter_);
  interrupt_collector();
}

// A program's own thread that waits takes the seat from the helper: it is the one that wants the answer soonest.
bool pool_core::others_wait() const noexcept {
  return closer_waits_.load(std::memory_order_relaxed) || !sleepers_.empty();
}

// Requires: the lock.
pool_core::helper_duty pool_core::duty_now() const noexcept {
  if (callbacks_pending_ != 0 || some_call_is_queued() || !waiting_.empty()) return helper_duty::collect;
  if (!inline_queue_.empty()) return helper_duty::watch;
  // The slots of a broken pool, or of a dead lane that a view holds, stay as they are.
  const auto has_calls_behind = [](const auto& port) { return !port->drained && port->in_flight_count() > 1; };
  return !broken_ && std::any_of(lanes_.begin(), lanes_.end(), has_calls_behind) ? helper_duty::watch
                                                                                 : helper_duty::none;
}

void pool_core::helper_loop() {
  ::pthread_setname_np(::pthread_self(), helper_thread_name);
  unsigned in_vain = 0;
  unsigned halvings = 0;
  bool collected = false;
  std::uint32_t turns_seen = 0;
  bool handed_on = false;  // to a thread that may not have come yet: without a wait we would take the seat back from it
  lock_type held(lock_);
  while (true) {
    helper_waiter_.word.store(
        0, std::memory_order_relaxed);  // relaxed: what it stands for is looked at below, under the lock
    if (!callbacks_.empty()) {
      std::function<void()> callback = std::move(callbacks_.front());
      callbacks_.pop_front();
      held.unlock();
      callback();
      callback = nullptr;  // what it captured may call the pool as it goes
      held.lock();
      continue;
    }
    if (helper_stop_) return;
    const helper_duty duty = duty_now();
    if (duty != helper_duty::none) in_vain = 0;
    helper_does_ = duty == helper_duty::none && in_vain++ < watches_in_vain ? helper_duty::watch : duty;
    const helper_duty does = helper_does_;
    // Whoever queued a call is likely to wait for it, and collects then. Nobody does that for a callback.
    const std::uint32_t turns = turns_.load(std::memory_order_relaxed);  // relaxed: a hint
    const bool others_collect = turns != std::exchange(turns_seen, turns);
    const bool in_good_hands =
        handed_on || ((!collected || others_collect) && callbacks_pending_ == 0 && waiting_.empty());
    const bool stand_by = does == helper_duty::collect && in_good_hands;
    const std::uint64_t nap_ns = others_collect && !handed_on ? stand_by_collectors_ns : stand_by_ns;
    collected = does == helper_duty::collect;
    handed_on = false;
    helper_stands_by_ = stand_by;
    held.unlock();
    if (stand_by) {
      shm::wait_on(helper_waiter_.word, 0, base::now_ns() + nap_ns);
      held.lock();
      helper_stands_by_ = false;
      continue;
    }
    if (does != helper_duty::watch) halvings = 0;
    switch (does) {
      case helper_duty::none:
        shm::wait_on(helper_waiter_.word, 0);
        break;
      case helper_duty::watch:
        shm::wait_on(helper_waiter_.word, 0, base::now_ns() + (watch_interval_ns << halvings));
        if (!take_seat()) {
          halvings = std::min(halvings + 1, most_halvings);
        } else {  // nobody collects, so nobody waits
          halvings = 0;
          held.lock();
          release_inline_queue();
          pump_queues(held);
          held.unlock();
          if (!collect_pass()) plan_next_look({});
          leave_seat();
          turns_seen = turns_.load(std::memory_order_relaxed);  // relaxed: our own turn does not count
        }
        break;
      case helper_duty::collect: {
        const auto relieved = [&] {
          const lock_type look(lock_);
          return !callbacks_.empty() || helper_stop_ || others_wait() || duty_now() != helper_duty::collect;
        };
        const auto idle = [&] {
          const lock_type look(lock_);
          return !callbacks_.empty() || helper_stop_ || duty_now() != helper_duty::collect;
        };
        if (take_seat()) {
          collect_until(relieved, base::never_ns, {.ns = patience_ns_});
          leave_seat();
          turns_seen = turns_.load(std::memory_order_relaxed);  // relaxed: our own turn does not count
          const lock_type look(lock_);
          handed_on = others_wait();
        } else if (collector_parked_.load(std::memory_order_relaxed) != 0) {  // relaxed: a guess
          // A collector that sleeps is not in a hurry: it may as well wake us when it leaves.
          sleep_beside_collector(helper_waiter_, nullptr, idle, base::never_ns);
          if (seat_.load(std::memory_order_seq_cst) == 0) hand_on();
        } else {
          shm::wait_on(helper_waiter_.word, 0, base::now_ns() + stand_by_ns);
        }
        break;
      }
    }
    held.lock();
  }
}

}  // namespace selvage::detail

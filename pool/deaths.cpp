// A worker's end, as the host handles it: what is delivered, what fails, what moves, and the next epoch.
//
// The order of D4: the supervisor has reaped the worker and its tree before `closed` names its epoch, so nothing writes
// the response region any more. Answers that are there are delivered; what was started fails; what was not moves on;
// then the host's words are zeroed and the next epoch is opened.

#include <linux/futex.h>
#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <cstring>

#include "base/clock.hpp"
#include "base/syscalls.hpp"
#include "pool/core.hpp"
#include "pool/verdict_error.hpp"

namespace selvage::detail {
namespace {

/// Deaths to a call's name after which it is not tried again.
constexpr unsigned deaths_to_quarantine = 2;

}  // namespace

// The kernel marks the death notice; before the supervisor has set that up, only its pidfd tells.
bool pool_core::supervisor_is_gone() const noexcept {
  const std::uint32_t life = supervisor_->life.load(std::memory_order_relaxed);
  if (life != 0) [[likely]]
    return (life & FUTEX_OWNER_DIED) != 0;
  pollfd ended{.fd = processes_.supervisor_pidfd.get(), .events = POLLIN, .revents = 0};
  return ended.fd >= 0 && ::poll(&ended, 1, 0) > 0;
}

// What the supervisor has said since the last look; only noted. One load where it has said nothing.
void pool_core::look_at_supervisor() {
  const std::uint32_t doorbell = supervisor_->doorbell.load(std::memory_order_acquire);  // SYNC supervisor
  if (doorbell == seen_doorbell_.load(std::memory_order_relaxed)) return;
  for (const auto& port : lanes_) look_at_lane(*port);
  // SYNC deaths: a collector that finds the doorbell seen finds deaths_due_ as well. relaxed, above: under the lock
  seen_doorbell_.store(doorbell, std::memory_order_release);
}

// Requires: the seat.
void pool_core::handle_deaths(lock_type& held) {
  deaths_due_.store(false, std::memory_order_relaxed);  // relaxed: under the lock, as every store of it
  if (broken_) return;
  if (supervisor_is_gone()) return fail_everything(lost_error(), held);
  if (no_worker_left_) return fail_everything(no_workers_error(), held);
  if (undrained_ == 0) return;
  for (const auto& port : lanes_) {
    if (port->dead && !port->drained && port->writers == 0) drain(*port, held);
  }
}

void pool_core::look_at_lane(host::lane_port& port) {
  const shm::supervisor_words& words = supervisor_lanes_[port.index].words;
  const auto lane_state = static_cast<shm::lane_state>(words.state.load(std::memory_order_acquire));
  count_failed_starts(port);
  if (words.closed.load(std::memory_order_acquire) >= port.lane.open_epoch() && !port.dead) {  // SYNC closed
    port.dead = true;
    ++undrained_;
    deaths_due_.store(true, std::memory_order_relaxed);  // relaxed: seen_doorbell_ publishes it
  }
  if (lane_state == shm::lane_state::retiring) port.retiring = true;
  if (lane_state == shm::lane_state::failed && !port.failed) {
    port.failed = true;
    // A class without workers leaves its calls without an outcome: the pool is broken as a whole.
    const auto its_class = lanes_of(*desks_[classes_.of_lane(port.index)]);
    if (std::all_of(its_class.begin(), its_class.end(), [](const auto& each) { return each->failed; })) {
      no_worker_left_ = true;
      deaths_due_.store(true, std::memory_order_relaxed);  // relaxed: as above
    }
  }
}

// The supervisor counts them, two steps for each: also those of epochs that nobody had opened, and forks that failed.
void pool_core::count_failed_starts(host::lane_port& port) {
  const shm::supervisor_lane& lane = supervisor_lanes_[port.index];
  const std::uint32_t count = lane.words.failures.load(std::memory_order_acquire) / 2;  // SYNC start_failure
  if (count == port.failed_starts) return;
  figures_.restarts.failed_starts += count - port.failed_starts;
  port.failed_starts = count;
  if (!options_.on_event) return;
  const shm::verdict last = host::last_start_failure(lane);
  emit(event_kind::worker_start_failed, nullptr, &port, &last);
}

// Requires: the seat, the lock, and nobody writing into the lane's slots.
void pool_core::drain(host::lane_port& port, lock_type& held) {
  const std::uint64_t epoch = port.lane.open_epoch();
  const shm::supervisor_lane& told = supervisor_lanes_[port.index];
  // `death` is quiet until we open the next epoch. A worker that ended just as we opened its epoch is in the other
  // record.
  const shm::verdict verdict = told.death.epoch == epoch ? told.death : host::last_start_failure(told);
  count_death(port, verdict);
  port.count_forged();
  shm::for_each_from(port.lane.finished(), port.lane.oldest_from(),
                     [&](unsigned slot) { settle_answer(port, slot, false, held); });
  // D4: a worker's word is not believed to its own advantage. The death counts against every call that it says it
  // started and against the oldest one, started or not, unless we asked the worker to go.
  const std::uint64_t left = port.lane.in_flight();
  const std::uint64_t started = port.lane.started();
  const bool blameless =
      verdict.epoch == epoch && (verdict.reason == static_cast<std::uint32_t>(shm::verdict_reason::recycled) ||
                                 verdict.reason == static_cast<std::uint32_t>(shm::verdict_reason::shut_down));
  unsigned oldest = shm::slots_per_lane;
  shm::for_each_from(left, 0, [&](unsigned slot) {
    if (oldest == shm::slots_per_lane || port.slots[slot].sequence < port.slots[oldest].sequence) oldest = slot;
  });
  std::vector<std::pair<std::uint64_t, unsigned>> by_age;
  shm::for_each_from(left, 0, [&](unsigned slot) { by_age.emplace_back(port.slots[slot].sequence, slot); });
  std::sort(by_age.rbegin(), by_age.rend());  // newest first: each goes to the front of the queue
  for (const auto& [sequence, slot] : by_age) {
    call_state* const moved = bury(std::move(port.slots[slot].moved));
    if (moved != nullptr && slot == oldest && !blameless) ++moved->deaths;
    call_state* const call = bury(std::move(port.slots[slot].call));
    if (call == nullptr || call->settled()) continue;
    const bool named = verdict.epoch == epoch && verdict.call_id == call->id && verdict.call_id != 0;
    const bool ran = shm::test(started, slot) || named;
    if (ran) {
      if (options_.on_event && shm::test(started, slot)) emit(event_kind::call_started, call, &port);
      settle(*call, death_error(port, verdict, *call));
    } else if (slot == oldest && !blameless && ++call->deaths >= deaths_to_quarantine) {
      failure what = death_error(port, verdict, *call).details();
      what.code = errc::quarantined;
      what.message =
          "it was next in line at " + std::to_string(call->deaths) + " deaths of a worker; the last: " + what.message;
      settle(*call, error(std::move(what)));
    } else {
      put_back(*call, port, slot);
    }
  }
  port.drained = true;
  --undrained_;
  if (port.views != 0) return;  // the next worker would overwrite what a view shows: opened when it is given back
  port.reset();
  open_next(port);
}

void pool_core::open_next(host::lane_port& port) {
  const std::uint64_t closed =
      supervisor_lanes_[port.index].words.closed.load(std::memory_order_acquire);  // SYNC closed
  const std::uint64_t calls = options_.recycle.calls;
  if (calls != 0) {
    const auto spread = static_cast<double>(calls) * options_.recycle.jitter;
    std::uniform_real_distribution<double> around(static_cast<double>(calls) - spread,
                                                  static_cast<double>(calls) + spread);
    port.calls_until_retire = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(around(jitter_)));
  }
  awaited_.add(port.index);  // first: the worker of this epoch rings once
  port.lane.open(closed + 1);
  ring_supervisor();  // from now on the worker's start has a limit
}

void pool_core::lane_became_ready(host::lane_port& port) {
  port.ready = true;
  port.ready_seen.store(true, std::memory_order_relaxed);  // relaxed: a hint
  port.lane.accept_ready();
  if (port.lane.in_flight() == 0) awaited_.remove(port.index);
  port.in_force = port.lane.in_force();
  (void)pid_of(port);
  if (options_.on_event) [[unlikely]]
    emit(event_kind::worker_started, nullptr, &port);
}

// The call has not run: it goes to the front of the queue, with its arguments copied back out of the lane.
void pool_core::put_back(call_state& call, host::lane_port& port, unsigned slot) {
  if (call.abort_wanted) {
    settle(call, error(base_failure(call, errc::aborted, "aborted before it was started")));
    return;
  }
  if (call.deaths >= deaths_to_quarantine) {  // some of them after it was taken back
    settle(call, error(base_failure(call, errc::quarantined,
                                    "it was next in line at " + std::to_string(call.deaths) + " deaths of a worker")));
    return;
  }
  const shm::request_header& header = port.lane.header(slot);
  std::unique_ptr<std::byte[]> storage(new (std::nothrow) std::byte[header.length + 1]);
  if (!storage) {
    settle(call, error(base_failure(call, errc::out_of_memory,
                                    "no memory in the host to keep its arguments of " + std::to_string(header.length) +
                                        " bytes for another worker")));
    return;
  }
  call.kept = {.form = static_cast<payload_form>(header.form),
               .storage = std::move(storage),
               .used = {0, header.length},
               .capacity = header.length};
  const std::byte* const from =
      (header.flags & shm::request_flags::in_arena) != 0 ? port.lane.request().arena : header.payload;
  std::memcpy(call.kept.storage.get(), from + header.offset, header.length);
  ++figures_.moved;
  desk_of(call).queue.push_front(host::call_ptr::share(&call));
  need_helper(helper_duty::collect);
}

error pool_core::death_error(host::lane_port& port, const shm::verdict& verdict, const call_state& call) {
  failure what = base_failure(call, errc::crashed, "the worker died");
  if (verdict.epoch != port.lane.open_epoch()) return error(std::move(what));
  shm::crash_record record;
  std::memcpy(static_cast<void*>(&record), static_cast<const void*>(&port.lane.crash()), sizeof record);
  const auto refused = verdict.signal == SIGSYS ? host::last_refusal(port.lane.refusal(), verdict.epoch) : std::nullopt;
  if (!host::describe_death(what, symbols_, verdict, record, {call.id, call.timeout_ns, call.grace_ns, port.limits},
                            refused))
    ++port.figures.forged;
  return error(std::move(what));
}

void pool_core::count_death(host::lane_port& port, const shm::verdict& verdict) {
  figures_.processor_us_of_the_gone += verdict.user_us + verdict.system_us;
  if (!port.ready) return;  // a failed start, and counted as such
  host::count(figures_.restarts, verdict);
  if (!options_.on_event) return;
  const bool recycled = verdict.reason == static_cast<std::uint32_t>(shm::verdict_reason::recycled);
  emit(recycled ? event_kind::worker_recycled : event_kind::worker_died, nullptr, &port, &verdict);
}

// ---- the end of everything -----------------------------------------------------------------------------------------

error pool_core::lost_error() const {
  char words[shm::last_words_bytes] = {};
  std::memcpy(words, supervisor_->last_words, sizeof words - 1);
  return error(errc::supervisor_lost, "the pool's supervisor process (pid " +
                                          std::to_string(processes_.supervisor_pid) +
                                          ") is gone, and its workers with it; build a new pool" +
                                          (words[0] == 0 ? "" : std::string("; it said: ") + words));
}

error pool_core::no_workers_error() const {
  const shm::supervisor_lane& lane = supervisor_lanes_[0];
  const shm::verdict last = host::last_start_failure(lane);
  failure what;
  what.code = errc::worker_start_failed;
  what.message = host::describe_start_failure(last);
  what.worker_pid = last.pid;
  what.signal = last.signal;
  what.stderr_tail = host::stderr_of(last);
  return error(std::move(what));
}

// Answers that are there are still delivered; everything else gets the one reason. Requires: the seat.
void pool_core::fail_everything(const error& why, lock_type& held) {
  broken_ = why;
  broken_seen_.store(true, std::memory_order_release);
  for (const auto& port : lanes_) {
    shm::for_each_from(port->lane.finished(), 0, [&](unsigned slot) { settle_answer(*port, slot, false, held); });
    shm::for_each_from(port->lane.in_flight(), 0, [&](unsigned slot) {
      call_state* const call = bury(std::move(port->slots[slot].call));
      if (call != nullptr && !call->settled()) settle(*call, with_cause(*call, why));
    });
    port->ready = false;
  }
  release_inline_queue();
  for (const auto& desk : desks_) {
    while (call_state* const call = bury(desk->queue.pop())) settle(*call, with_cause(*call, why));
  }
  for (auto& [call, kept] : waiting_) {
    if (call_state* const waits = bury(std::move(kept.call)); !waits->settled())
      settle(*waits, with_cause(*waits, why));
    for (host::call_ptr& input : kept.inputs) (void)bury(std::move(input));
  }
  waiting_.clear();
  for (waiter* const sleeper : sleepers_) summon(*sleeper);
}

error pool_core::with_cause(const call_state& call, const error& why) const {
  failure what = why.details();
  what.task = task_name(call);
  what.call_id = call.id;
  what.attempt = call.attempts;
  return error(std::move(what));
}

}  // namespace selvage::detail

// A worker's days: what the clock brings, its calls, its retirement. Called by: supervisor.cpp. Never: forks or reaps
// (ward_birth.cpp and ward_death.cpp do).

#include "supervisor/ward.hpp"

#include <signal.h>

#include <algorithm>

#include "base/clock.hpp"
#include "base/syscalls.hpp"
#include "shm/doorbell.hpp"
#include "supervisor/hold.hpp"
#include "supervisor/lane_look.hpp"
#include "supervisor/thread_census.hpp"

namespace selvage::supervisor {
namespace {

constexpr std::uint64_t first_nudge_pause_ns = 1'000'000;
constexpr std::uint64_t last_nudge_pause_ns = 100'000'000;
constexpr std::uint64_t first_ring_pause_ns = 1'000'000;
constexpr std::uint64_t last_ring_pause_ns = 256'000'000;
constexpr std::uint64_t shortest_sample_ns = 1'000'000;

}  // namespace

ward::ward(surroundings& shared, const lane_place& place)
    : shared_(shared),
      place_(place),
      limits_(place.lane < shared.given.limits.size() ? shared.given.limits[place.lane] : base::limits{}),
      usage_(limits_, shared.tree),
      ledger_(shared.given.restart) {}

void ward::handle(event what) {
  const step follows = advance(state_, what);
  state_ = follows.next;
  switch (follows.act) {
    case action::none:
      break;
    case action::fork:
      fork_worker();
      break;
    case action::tell:
      tell_to_retire();
      break;
    case action::kill:
      sentence_.killed = true;
      base::pidfd_signal(pidfd_.get(), SIGKILL);
      break;
    case action::sweep:
      bury();
      break;
  }
}

void ward::publish(shm::lane_state state) noexcept {
  // release: a host that reads `failed` finds start_failure written; otherwise the state is a hint
  place_.page.words.state.store(static_cast<std::uint32_t>(state), std::memory_order_release);
}

// Nobody announces it: it is noticed when it matters.
void ward::notice_ready() {
  if (state_ != life::starting || !(is_accepted() || says_ready())) return;
  handle(event::seen_ready);
  publish(shm::lane_state::running);
}

void ward::close(bool at_once) {
  notice_ready();  // a worker that is ready may have calls to finish
  if (state_ != life::dying) sentence_ = {.reason = shm::verdict_reason::shut_down};
  handle(at_once ? event::close_now : event::close);
}

// ---- what the words say --------------------------------------------------------------------------------------------

bool ward::is_open() const noexcept {
  return place_.request.words->open_epoch.load(std::memory_order_acquire) == epoch_;  // SYNC open_epoch
}

bool ward::is_accepted() const noexcept {
  return place_.request.words->accepted_epoch.load(std::memory_order_acquire) == epoch_;
}

bool ward::says_ready() const noexcept {
  return is_open() && place_.response.words->ready_epoch.load(std::memory_order_acquire) == epoch_;  // SYNC ready
}

bool ward::runs_a_call() const noexcept {
  if (!is_open()) return false;
  const lane_look look = look_at(place_.request, place_.response);
  return (look.in_flight & look.started) != 0;
}

// ---- by the clock --------------------------------------------------------------------------------------------------

std::uint64_t ward::attend(std::uint64_t now_ns, bool others_retire) {
  if (reap_due_ns_ != base::never_ns) {
    if (now_ns >= reap_due_ns_) worker_died();
    if (reap_due_ns_ != base::never_ns) return reap_due_ns_;
  }
  notice_ready();
  switch (state_) {
    case life::starting:
      return attend_starting(now_ns);
    case life::running:
      return attend_running(now_ns, others_retire);
    case life::retiring:
      return attend_retiring(now_ns);
    case life::burying:
      if (now_ns >= due_ns_) bury();
      return state_ == life::burying ? due_ns_ : now_ns;
    case life::backing_off:
      if (now_ns < due_ns_) return due_ns_;
      bear_next();
      return now_ns;  // look again: what it became has times of its own
    default:
      return base::never_ns;
  }
}

// The start counts from when the host has opened the epoch: before that nobody needs the worker, which may have done
// all but wait for its turn. The host rings when it opens.
std::uint64_t ward::attend_starting(std::uint64_t now_ns) {
  if (!is_open()) return base::never_ns;
  if (due_ns_ == base::never_ns) {
    due_ns_ = base::saturating_add(now_ns, base::to_ns(shared_.given.restart.start_timeout));
  }
  if (now_ns >= due_ns_) {
    sentence_ = {.reason = shm::verdict_reason::start_timeout};
    handle(event::overdue);
    return base::never_ns;
  }
  // Nobody says when it is ready: look again when that would matter for its recycling.
  const recycle_policy& policy = shared_.given.recycle;
  if (policy.resident_bytes == 0 && age_limit_ns_ == base::never_ns) return due_ns_;
  const std::uint64_t sample_ns = std::max(base::to_ns(policy.sample), shortest_sample_ns);
  return std::min(due_ns_, now_ns + sample_ns);
}

std::uint64_t ward::attend_running(std::uint64_t now_ns, bool others_retire) {
  const recycle_policy& policy = shared_.given.recycle;
  std::uint64_t next = base::never_ns;
  if (policy.resident_bytes != 0) {
    if (now_ns >= sample_due_ns_) {
      resident_bytes_ = private_resident_bytes(pid_).value_or(0);
      sample_due_ns_ = now_ns + std::max(base::to_ns(policy.sample), shortest_sample_ns);
    }
    next = sample_due_ns_;
  }
  const std::uint64_t age_ns = now_ns - std::min(born_ns_, now_ns);
  recycle_need need = recycle_now(policy, age_ns, age_limit_ns_, resident_bytes_);
  if (place_.request.words->retire_request.load(std::memory_order_acquire) == epoch_) {
    // SYNC retire_request. The host has chosen the moment. relaxed: acquired with it
    need = {
        .reason = static_cast<shm::recycle_reason>(place_.request.words->retire_reason.load(std::memory_order_relaxed)),
        .urgent = true};
  }
  if (need.reason != shm::recycle_reason::none && (need.urgent || !others_retire)) {
    sentence_ = {.reason = shm::verdict_reason::recycled, .recycle = need.reason};
    handle(event::retire);
    return due_ns_;
  }
  const std::uint64_t age_due_ns = age_ns < age_limit_ns_ ? age_limit_ns_ : far_beyond(age_limit_ns_);
  return std::min(next, base::saturating_add(born_ns_, age_due_ns));
}

// A worker that runs a call is left alone, however long that takes: calls have limits of their own. One that runs
// nothing and does not end either hangs in its finalizer.
std::uint64_t ward::attend_retiring(std::uint64_t now_ns) {
  const std::uint64_t patience_ns = base::to_ns(shared_.given.retire_patience);
  if (runs_a_call()) {
    quiet_since_ns_ = 0;
  } else if (quiet_since_ns_ == 0) {
    quiet_since_ns_ = now_ns;
  }
  const std::uint64_t quiet_limit_ns =
      quiet_since_ns_ == 0 ? base::never_ns : base::saturating_add(quiet_since_ns_, patience_ns);
  if (now_ns >= std::min(quiet_limit_ns, shared_.close_deadline_ns)) {
    handle(event::overdue);
    return base::never_ns;
  }
  if (now_ns >= due_ns_) {
    nudge();
    nudge_pause_ns_ = std::min(2 * nudge_pause_ns_, last_nudge_pause_ns);
    due_ns_ = now_ns + nudge_pause_ns_;
  }
  return std::min({due_ns_, quiet_limit_ns, shared_.close_deadline_ns});
}

// It may be about to sleep and miss the first nudge, which cannot change the doorbell's value: hence more, ever more
// rarely.
void ward::tell_to_retire() noexcept {
  place_.page.words.retire.store(epoch_, std::memory_order_seq_cst);  // before the worker's parked word is read
  publish(shm::lane_state::retiring);
  ring_host();
  quiet_since_ns_ = 0;
  nudge_pause_ns_ = first_nudge_pause_ns;
  due_ns_ = base::now_ns() + nudge_pause_ns_;
  nudge();
}

void ward::nudge() noexcept {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const auto how = static_cast<shm::parked>(place_.response.words->parked.load(std::memory_order_relaxed));
  if (how == shm::parked::event && place_.lane < shared_.given.worker_events.size()) {
    base::ring_eventfd(shared_.given.worker_events[place_.lane]);
  }
  shm::nudge(place_.request.words->doorbell);
}

// ---- its threads ---------------------------------------------------------------------------------------------------

void ward::take_guard(std::uint64_t epoch, base::unique_fd listener) noexcept {
  if (epoch != epoch_ || !has_worker(state_)) return;  // it is dead, and another has its place
  drop_guard();
  if (shared_.watcher.add(listener.get(), source::thread, place_.lane) != 0) return;  // its first clone is ENOSYS
  guard_ = std::move(listener);
}

void ward::answer_thread_request() {
  if (!guard_) return;
  thread_request request{};
  const listener_state found = take_thread_request(guard_.get(), request);
  if (found == listener_state::closed) drop_guard();
  if (found != listener_state::asked) return;
  const bool granted = may_have_one_more(pid_, limits_, shared_.tree);
  if (!granted) {
    shm::word32& count = place_.page.words.threads_refused;
    // Before the task is told, which will tell the host. relaxed: behind it are system calls of both
    count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  answer(request, granted);
}

// ---- calls ---------------------------------------------------------------------------------------------------------

std::uint64_t ward::watch_calls() {
  const bool is_dead = reap_due_ns_ != base::never_ns;
  if (!has_worker(state_) || state_ == life::dying || is_dead || !is_open()) return base::never_ns;
  std::uint64_t untaken = 0;
  bool busy = false;
  const auto judge_now = [&](bool exactly) {
    const lane_look look = look_at(place_.request, place_.response);
    untaken = look.untaken;
    busy = look.in_flight != 0;
    // The clocks after the look: no honest stamp lies ahead of them.
    const bool is_timed = limits_.cpu_ns != 0 && busy;
    const processor_time cpu{.limit_ns = limits_.cpu_ns,
                             .cores = shared_.cores,
                             .used_ns = is_timed ? usage_.processor_time_ns(pid_, exactly) : 0};
    return deadlines_.judge(look, base::now_ns(), cpu);
  };
  outlook seen = judge_now(false);
  if (seen.late) {
    // It is late by what could be seen while it ran. It may just be finishing: stop it, look again, and only then kill.
    hold(pidfd_.get());
    seen = judge_now(true);
    if (seen.late) {
      condemn({.reason = seen.late->reason,
               .slot = seen.late->slot,
               .call_id = seen.late->call_id,
               .used = seen.late->cpu_used_ns});
      return base::never_ns;
    }
    let_go(pidfd_.get());
  }
  if (const auto excess = usage_.look(pid_, base::now_ns(), busy)) {
    condemn({.reason = excess->reason, .used = excess->used});
    return base::never_ns;
  }
  return std::min({seen.next_look_ns, usage_.next_look_ns(busy), watch_untaken(untaken)});
}

void ward::condemn(const sentence& meant) {
  sentence_ = meant;
  handle(event::overdue);
}

// A worker that says "done", rings nobody, and takes it back when nobody looks would run without a limit. So the host
// is told to look; either it finds the answer, or the next look here finds a call that still runs. A host that does not
// collect at all costs a look now and then.
std::uint64_t ward::watch_untaken(std::uint64_t slots) noexcept {
  const std::uint64_t now = base::now_ns();
  if (slots == 0) {
    ring_pause_ns_ = 0;
    return base::never_ns;
  }
  if (ring_pause_ns_ != 0 && now < ring_due_ns_) return ring_due_ns_;
  if (ring_pause_ns_ != 0) ring_host();
  ring_pause_ns_ = ring_pause_ns_ == 0 ? first_ring_pause_ns : std::min(2 * ring_pause_ns_, last_ring_pause_ns);
  ring_due_ns_ = now + ring_pause_ns_;
  return ring_due_ns_;
}

}  // namespace selvage::supervisor

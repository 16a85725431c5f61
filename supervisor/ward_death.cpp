// How a ward's worker is buried, in the order that the host relies on (DESIGN D4): reaped with its whole tree, the
// verdict, `closed`, the host's doorbell; and only then the next one.

#include <sys/wait.h>

#include "base/clock.hpp"
#include "base/syscalls.hpp"
#include "shm/doorbell.hpp"
#include "supervisor/oom_killer.hpp"
#include "supervisor/ward.hpp"

namespace selvage::supervisor {
namespace {

constexpr std::uint64_t sweep_pause_ns = 1'000'000;
constexpr std::uint64_t reap_pause_ns = 10'000'000;
/// No lane waits longer for what its worker left behind: a descendant has no page of the lane mapped (MADV_DONTFORK),
/// so it does no harm there. But for one that was to execute a program and has not: the first sweep has killed it.
constexpr std::uint64_t burial_limit_ns = 1'000'000'000;
/// The most that a pipe may hold, so that the tail is complete.
constexpr std::size_t last_drain_bytes = std::size_t{1} << 20U;

}  // namespace

void ward::worker_died() {
  if (!has_worker(state_)) return;
  const int reaped =
      base::retry_eintr([&] { return ::wait4(pid_, &ending_.wait_status, WNOHANG | __WALL, &ending_.used); });
  if (reaped == 0) return held_back();
  reap_due_ns_ = base::never_ns;
  shared_.watcher.remove(pidfd_.get());
  pidfd_.reset();
  drop_guard();
  shared_.tree.remove_worker(pid_);
  ending_.in_a_call = runs_a_call();
  if (WIFSIGNALED(ending_.wait_status) && WTERMSIG(ending_.wait_status) == SIGKILL && !sentence_.killed)
    ending_.oom_killer = oom_killer_was_at_work(shared_.oom_kills);
  died_ns_ = base::now_ns();
  handle(event::died);
}

// What is left of its tree can start nothing any more: a clone that nobody answers is ENOSYS.
void ward::drop_guard() noexcept {
  if (!guard_) return;
  shared_.watcher.remove(guard_.get());
  guard_.reset();
}

// It is dead and a tracer keeps it from being reaped: a descendant of its own, which is killed, or somebody's debugger,
// which is waited for. Its pidfd would report without end.
void ward::held_back() {
  shared_.watcher.remove(pidfd_.get());
  shared_.tree.mourn_worker(pid_);
  shared_.strays_left = !shared_.tree.sweep();
  reap_due_ns_ = base::now_ns() + reap_pause_ns;
}

void ward::bury() {
  const bool clean = shared_.tree.sweep();
  shared_.strays_left = !clean;
  if (const std::uint64_t now = base::now_ns(); !clean && now - died_ns_ < burial_limit_ns) {
    due_ns_ = now + sweep_pause_ns;
    return;
  }
  handle(event::buried);
  shm::verdict said = make_verdict(epoch_, pid_, sentence_, ending_);
  pid_ = 0;
  errors_.drain(last_drain_bytes);
  said.stderr_length = static_cast<std::uint32_t>(errors_.copy_to(said.stderr_tail));
  const bool as_ordered = said.reason == static_cast<std::uint32_t>(shm::verdict_reason::recycled);
  conclude(said, !as_ordered && is_failed_start(shared_.given.restart, how_far_it_came()));
}

start_record ward::how_far_it_came() const noexcept {
  return {
      .accepted = is_accepted(), .says_ready = says_ready(), .lived = std::chrono::nanoseconds(died_ns_ - born_ns_)};
}

// One ring for all of it: the host that wakes finds the verdict and the next epoch.
void ward::conclude(const shm::verdict& said, bool failed_to_start) {
  shm::supervisor_lane& page = place_.page;
  // A host that opens the epoch right now finds the verdict in `start_failure`: it tells by the epoch in the record.
  const bool opened = is_open();
  if (opened) write_death(page, said);
  if (failed_to_start || !opened) write_start_failure(page, said);
  page.words.pid.store(0, std::memory_order_relaxed);          // relaxed: a hint
  page.words.closed.store(epoch_, std::memory_order_release);  // SYNC closed: publishes `death`
  if (shared_.closing) {
    handle(event::close);
    ring_host();
    return;
  }
  const restart_decision next = failed_to_start ? ledger_.failed_to_start() : ledger_.ended_well();
  switch (next.when) {
    case restart::at_once:
      return bear_next();
    case restart::later:
      due_ns_ = base::saturating_add(base::now_ns(), base::to_ns(next.wait));
      handle(event::back_off);
      publish(shm::lane_state::backing_off);
      break;
    case restart::never:
      handle(event::give_up);
      publish(shm::lane_state::failed);
      break;
  }
  ring_host();
}

// The doorbell always counts up; the system call is only for a host that sleeps.
void ward::ring_host() noexcept {
  shm::word32& doorbell = shared_.control.doorbell;
  const std::uint32_t count = doorbell.load(std::memory_order_relaxed);  // relaxed: we are its one writer
  doorbell.store(count + 1, std::memory_order_release);                  // SYNC supervisor: publishes what has changed
  std::atomic_thread_fence(std::memory_order_seq_cst);  // SYNC parked: against the host's parked word and its last look
  if (shared_.host.parked.load(std::memory_order_relaxed) != 0) shm::nudge(doorbell);
}

}  // namespace selvage::supervisor

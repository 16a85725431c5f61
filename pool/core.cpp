// Construction and closing of a pool, and the functions of selvage::pool that are no templates.

#include "pool/core.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/clock.hpp"
#include "base/syscalls.hpp"
#include "pool/collecting.hpp"
#include "pool/options.hpp"

namespace selvage::detail {
namespace {

/// How long the supervisor may take to end its workers and itself, beyond what finalizers are given, before it is
/// killed (its death ends the workers as well).
constexpr int supervisor_patience_ms = 10'000;

}  // namespace

class_desk::class_desk(const pool_options& options, unsigned lane)
    : first_lane(lane),
      queue(options.queue, 2 * options.arena.maximum.count),
      balancer(options.balancer, {options.depth.maximum, base::to_ns(options.depth.window)}, base::now_ns()) {}

// The members are set up before any process exists; then the processes are launched; then we wait for them.
pool_core::pool_core(pool_options options, std::vector<std::shared_ptr<const task_record>> tasks,
                     const launcher& launch)
    : options_(host::checked(std::move(options), tasks.size())),
      tasks_(host::checked(std::move(tasks), options_.start)),
      index_(tasks_),
      classes_(host::classes_of(options_, tasks_)),
      shape_(host::geometry_of(options_, classes_.lanes())),
      payload_cap_(options_.payload_cap.count),
      fences_(shm::register_for_heavy_fences()),
      segment_(shm::create_segment(shape_)),
      head_map_(segment_.read_write.get(), shm::access::read_write, 0, 2 * shm::page_bytes),
      supervisor_map_(segment_.read_only.get(), shm::access::read_only, 2 * shm::page_bytes,
                      shape_.request_offset(0) - 2 * shm::page_bytes),
      bell_(base::make_eventfd()),
      inline_queue_(options_.inline_lane.batch, 2 * options_.arena.maximum.count, call_place::queued_inline),
      estimates_(tasks_.size()),
      loads_(classes_.lanes()),
      figures_(tasks_.size()),
      jitter_(static_cast<std::minstd_rand::result_type>(base::now_ns())),
      patience_ns_(base::to_ns(options_.depth.gather)),
      cores_(base::usable_cores()),
      spin_budget_(base::to_ns(options_.spin.host), shm::spin_budget::least_ns) {
  control_ = reinterpret_cast<shm::host_control*>(head_map_.data() + shm::page_bytes);
  supervisor_ = reinterpret_cast<const shm::supervisor_control*>(supervisor_map_.data());
  supervisor_lanes_ = reinterpret_cast<const shm::supervisor_lane*>(supervisor_map_.data() + shm::page_bytes);
  std::vector<int> event_fds;
  for (unsigned i = 0; i < classes_.classes.size(); ++i)
    desks_.push_back(std::make_unique<class_desk>(options_, i * classes_.lanes_each));
  for (unsigned i = 0; i < classes_.lanes(); ++i) {
    const base::limits& limits = classes_.classes[classes_.of_lane(i)].limits;
    lanes_.push_back(
        std::make_unique<host::lane_port>(shape_, segment_, i, limits, host::arena_limits(options_), fences_));
    if (!options_.arena.growable) lanes_.back()->reserve_whole_arenas();
    event_fds.push_back(lanes_.back()->event_fd.get());
    open_next(*lanes_.back());
  }
  processes_ = launch({options_, shape_, segment_, tasks_, classes_, std::move(event_fds), bell_.get(), payload_cap_});
}

pool_core::~pool_core() {
  // Joinable only on the helper thread itself, where a callback destroyed the pool, and in a forked child, where it
  // is no thread.
  if (helper_.joinable()) helper_.detach();
  if (in_owner()) {
    base::wait_for_visitors();
    return;
  }
  // In a forked child nothing of the pool is ours but copies of its descriptors.
  head_map_.abandon();
  supervisor_map_.abandon();
  for (const auto& port : lanes_) port->abandon();
}

void pool_core::wait_until_ready() {
  const auto settled = [&] {
    const lock_type look(lock_);
    return broken_.has_value() ||
           std::all_of(lanes_.begin(), lanes_.end(), [](const auto& port) { return port->ready || port->failed; });
  };
  waiter self;
  sleep_or_collect(self, nullptr, settled, base::never_ns, {});
  const lock_type look(lock_);
  if (broken_) throw error(*broken_);
}

bool pool_core::some_call_is_queued() const noexcept {
  return std::any_of(desks_.begin(), desks_.end(), [](const auto& desk) { return !desk->queue.empty(); });
}

void pool_core::ring_supervisor() const noexcept { base::ring_eventfd(bell_.get()); }

// ---- closing -------------------------------------------------------------------------------------------------------

void pool_core::shutdown(std::chrono::nanoseconds drain) {
  {
    const lock_type held(lock_);
    if (state_ == state::open) state_ = state::closing;
    summon_those_without_room();  // there will be none for them
    interrupt_collector();
  }
  waiter self;
  const auto drained = [&] {
    const lock_type look(lock_);
    return unsettled_ == 0 || broken_.has_value() || state_ == state::closed;
  };
  if (drain.count() > 0) sleep_or_collect(self, nullptr, drained, deadline_after(drain), {.ns = patience_ns_});
  while (!take_seat_to_close()) {  // whoever collects just now is told that something has changed, and leaves
    closer_waits_.store(true, std::memory_order_relaxed);  // relaxed: published by `interrupt`
    interrupt_collector();
    sleep_beside_collector(
        self, nullptr, [] { return false; }, base::now_ns() + 1'000'000);
  }
  end_processes();
  leave_seat();
  stop_helper();
}

// Requires: the seat.
void pool_core::end_processes() {
  lock_type held(lock_);
  closer_waits_.store(false, std::memory_order_relaxed);  // relaxed: whoever sleeps beside the seat is summoned below
  if (state_ == state::closed) return;
  look_at_supervisor();
  handle_deaths(held);
  const bool idle = unsettled_ == 0;
  state_ = state::closed;
  if (!broken_) fail_everything(error(errc::pool_closed, "the pool has been shut down"), held);
  const std::vector<host::call_ptr> buried = std::move(graveyard_);
  graveyard_.clear();
  held.unlock();
  const bool finalize = idle && options_.finalizer != nullptr;
  control_->shutdown.store(
      static_cast<std::uint32_t>(finalize ? shm::shutdown_order::retire : shm::shutdown_order::now),
      std::memory_order_release);  // SYNC shutdown
  ring_supervisor();
  reap_supervisor();
}

// The host may ignore SIGCHLD or reap every child itself: only the pidfd is relied on.
void pool_core::reap_supervisor() {
  pollfd ended{.fd = processes_.supervisor_pidfd.get(), .events = POLLIN, .revents = 0};
  if (base::retry_eintr([&] { return ::poll(&ended, 1, supervisor_patience_ms); }) == 0) {
    base::pidfd_signal(ended.fd, SIGKILL);
    (void)base::retry_eintr([&] { return ::poll(&ended, 1, supervisor_patience_ms); });
  }
  siginfo_t info;
  (void)base::retry_eintr([&] { return ::waitid(P_PIDFD, static_cast<id_t>(ended.fd), &info, WEXITED); });
}

void pool_core::stop_helper() {
  std::thread ended;
  {
    const lock_type held(lock_);
    helper_stop_ = true;
    if (!helper_.joinable() || std::this_thread::get_id() == helper_.get_id())
      return;  // a callback closes the pool: the loop ends after it
    summon(helper_waiter_);
    ended = std::move(helper_);
    helper_runs_ = false;
  }
  interrupt_collector();
  ended.join();
}

}  // namespace selvage::detail

namespace selvage {

pool::~pool() {
  if (!core_) return;
  if (core_->in_owner()) core_->shutdown(std::chrono::nanoseconds(0));
}

void pool::shutdown(std::chrono::nanoseconds drain) {
  detail::require(core_ != nullptr, "a pool that was moved from was shut down");
  if (core_->in_owner()) core_->shutdown(drain);
}

pool_stats pool::stats() const {
  detail::require(core_ != nullptr, "a pool that was moved from was asked for its figures");
  return core_->stats();
}

}  // namespace selvage

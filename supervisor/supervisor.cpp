// The supervisor's table of contents: boot, map, begin every lane, and one loop. Called by: start/. Never: returns.

#include "supervisor/supervisor.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <deque>
#include <exception>

#include "base/clock.hpp"
#include "base/syscalls.hpp"
#include "shm/guard_line.hpp"
#include "supervisor/boot.hpp"
#include "supervisor/death_notice.hpp"
#include "supervisor/oom_killer.hpp"
#include "supervisor/process_tree.hpp"
#include "supervisor/ward.hpp"
#include "supervisor/watch.hpp"

namespace selvage::supervisor {
namespace {

constexpr std::uint64_t stray_pause_ns = 100'000'000;
constexpr std::uint64_t last_sweeps_ns = 1'000'000'000;
constexpr int exit_cannot_begin = 70;  // EX_SOFTWARE

/// The segment as the supervisor may touch it: its own pages read-write, the rest read-only.
struct mapped_segment {
  explicit mapped_segment(const orders& given)
      : own(given.segment.read_write.get(), shm::access::read_write, 2 * shm::page_bytes,
            given.shape.supervisor_lane_offset(given.shape.lanes) - 2 * shm::page_bytes),
        whole(given.segment.read_only.get(), shm::access::read_only, 0, given.shape.segment_bytes()) {}

  [[nodiscard]] shm::supervisor_control& control() const noexcept {
    return *reinterpret_cast<shm::supervisor_control*>(own.data());
  }
  [[nodiscard]] const shm::host_control& host() const noexcept {
    return *reinterpret_cast<const shm::host_control*>(whole.data() + shm::page_bytes);
  }
  [[nodiscard]] lane_place lane(const shm::geometry& shape, unsigned k) const noexcept {
    std::byte* page = own.data() + shape.supervisor_lane_offset(k) - 2 * shm::page_bytes;
    return {k, *reinterpret_cast<shm::supervisor_lane*>(page), shm::request_at(whole.data() + shape.request_offset(k)),
            shm::response_at(whole.data() + shape.response_offset(k))};
  }

  shm::mapping own;
  shm::mapping whole;
};

class office {
 public:
  explicit office(orders& given)
      : given_(given),
        segment_(given),
        own_pidfd_(base::pidfd_open(::getpid())),
        shared_{.given = given_,
                .watcher = watch_,
                .tree = tree_,
                .control = segment_.control(),
                .host = segment_.host(),
                .own_pidfd = own_pidfd_.get(),
                .chance = std::minstd_rand(static_cast<unsigned>(base::now_ns())),
                .cores = base::usable_cores(),
                .oom_kills = oom_kills()} {
    if (std::any_of(given_.limits.begin(), given_.limits.end(), [](const auto& it) { return it.counts_threads(); })) {
      guard_line_ = shm::make_guard_line();
      shared_.guard_line = guard_line_.workers.get();
      add(guard_line_.supervisors.get(), source::guards);
    }
    add(given_.bell.get(), source::bell);
    add(given_.host_pidfd.get(), source::host);
    for (unsigned k = 0; k < given_.shape.lanes; ++k) wards_.emplace_back(shared_, segment_.lane(given_.shape, k));
  }

  [[noreturn]] void run() {
    // Never destroyed: the kernel reads it when this process is gone, whatever made it go.
    [[maybe_unused]] const auto* const notice = new death_notice(shared_.control.life);
    for (ward& each : wards_) each.begin();
    for (;;) {
      obey_host();
      const std::uint64_t next_matter = attend_wards();
      if (all_finished()) leave();
      const std::uint64_t next_look = watch_calls();
      for (const report& what : watch_.wait(std::min({next_matter, next_look, sweep_strays()}))) take(what);
    }
  }

 private:
  void add(int fd, source from) {
    if (const int error = watch_.add(fd, from, 0)) base::throw_errno(error, "epoll_ctl");
  }

  void take(const report& what) {
    switch (what.from) {
      case source::worker:
        wards_[what.lane].worker_died();
        break;
      case source::errors:
        wards_[what.lane].drain_errors();
        break;
      case source::bell:
        break;  // obey_host and watch_calls look in any case
      case source::child:
        tree_.reap();
        break;
      case source::guards:
        take_guard();
        break;
      case source::thread:
        wards_[what.lane].answer_thread_request();
        break;
      case source::host:
        watch_.remove(given_.host_pidfd.get());
        close(shm::shutdown_order::now);
        break;
    }
  }

  void take_guard() {
    std::optional<shm::received_guard> sent = shm::receive_guard(guard_line_.supervisors.get());
    if (sent && sent->note.lane < wards_.size())
      wards_[sent->note.lane].take_guard(sent->note.epoch, std::move(sent->listener));
  }

  void obey_host() {
    // SYNC shutdown
    const auto order = static_cast<shm::shutdown_order>(shared_.host.shutdown.load(std::memory_order_acquire));
    if (order != shm::shutdown_order::none) close(order);
  }

  // An order is obeyed once; `now` also after `retire`.
  void close(shm::shutdown_order order) {
    if (order <= obeyed_) return;
    obeyed_ = order;
    if (!shared_.closing) {
      shared_.closing = true;
      shared_.close_deadline_ns = base::saturating_add(base::now_ns(), base::to_ns(given_.retire_patience));
    }
    for (ward& each : wards_) each.close(order == shm::shutdown_order::now);
  }

  std::uint64_t attend_wards() {
    const std::uint64_t now = base::now_ns();
    auto retiring =
        std::count_if(wards_.begin(), wards_.end(), [](const ward& w) { return w.state() == life::retiring; });
    std::uint64_t next = base::never_ns;
    for (ward& each : wards_) {
      const bool retired_before = each.state() == life::retiring;
      next = std::min(next, each.attend(now, retiring != 0));
      if (!retired_before && each.state() == life::retiring) ++retiring;
    }
    return next;
  }

  [[nodiscard]] bool all_finished() const noexcept {
    return std::all_of(wards_.begin(), wards_.end(), [](const ward& w) { return w.state() == life::finished; });
  }

  // SYNC next_look: the second look is behind the fence. A host that posts meanwhile either is seen by it, or sees the
  // promise and rings where it is too late for its call. What is promised only ever moves closer without another fence.
  std::uint64_t watch_calls() {
    const auto look = [this] {
      std::uint64_t next = base::never_ns;
      for (ward& each : wards_) next = std::min(next, each.watch_calls());
      return next;
    };
    shm::word64& promise = shared_.control.next_look_ns;
    const std::uint64_t first = look();
    promise.store(first, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    const std::uint64_t second = look();
    if (second < first) promise.store(second, std::memory_order_relaxed);  // relaxed: earlier is always true enough
    return std::min(first, second);
  }

  // What outlived the time that a lane waits for its worker's descendants.
  std::uint64_t sweep_strays() {
    const bool buries =
        std::any_of(wards_.begin(), wards_.end(), [](const ward& w) { return w.state() == life::burying; });
    if (!shared_.strays_left || buries) return base::never_ns;
    shared_.strays_left = !tree_.sweep();
    return shared_.strays_left ? base::now_ns() + stray_pause_ns : base::never_ns;
  }

  [[noreturn]] void leave() {
    const std::uint64_t deadline = base::now_ns() + last_sweeps_ns;
    while (!tree_.sweep() && base::now_ns() < deadline) {
    }
    ::_exit(0);
  }

  orders& given_;
  mapped_segment segment_;
  base::unique_fd own_pidfd_;
  watch watch_;
  process_tree tree_;
  shm::guard_line guard_line_;  // where threads are counted
  surroundings shared_;
  std::deque<ward> wards_;  // they do not move
  shm::shutdown_order obeyed_ = shm::shutdown_order::none;
};

// Nobody may ever read standard error: the host's error is to say what it was as well.
void leave_last_words(const orders& given, const char* words) noexcept try {
  const shm::mapping own(given.segment.read_write.get(), shm::access::read_write, 2 * shm::page_bytes, shm::page_bytes);
  auto& control = *reinterpret_cast<shm::supervisor_control*>(own.data());
  ::strncpy(control.last_words, words, shm::last_words_bytes - 1);  // the page is zero: the end stays so
} catch (const std::exception&) {                                   // then there is no saying it
}

}  // namespace

void run(orders given) {
  try {
    become_supervisor(given);
    shm::check_segment(given.segment, given.shape);
    // Never destroyed either: the notice points into the mapping.
    (new office(given))->run();
  } catch (const std::exception& problem) {
    ::dprintf(STDERR_FILENO, "selvage supervisor: %s\n", problem.what());
    leave_last_words(given, problem.what());
    ::_exit(exit_cannot_begin);
  }
}

}  // namespace selvage::supervisor

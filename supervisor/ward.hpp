#pragma once
// One lane in the supervisor's care: its worker, how it is doing, and what is to be done about it. life.hpp says what
// follows from what; this does it.
//
// Called by: supervisor.cpp. Never: blocks for more than a few milliseconds, or writes to a page other than the lane's
// supervisor pages.

#include <cstdint>
#include <random>

#include "base/unique_fd.hpp"
#include "shm/lane.hpp"
#include "supervisor/deadlines.hpp"
#include "supervisor/life.hpp"
#include "supervisor/process_tree.hpp"
#include "supervisor/restart_policy.hpp"
#include "supervisor/stderr_tail.hpp"
#include "supervisor/supervisor.hpp"
#include "supervisor/usage_meter.hpp"
#include "supervisor/verdict.hpp"
#include "supervisor/watch.hpp"

namespace selvage::supervisor {

/// What all lanes share. One per supervisor; outlives the wards.
struct surroundings {
  const orders& given;
  watch& watcher;
  process_tree& tree;
  shm::supervisor_control& control;
  const shm::host_control& host;
  int own_pidfd;
  std::minstd_rand chance;
  unsigned cores = 1;           ///< on which threads of one worker can run at once
  std::uint64_t oom_kills = 0;  ///< of the machine, as seen last
  int guard_line = -1;          ///< where newborn workers send the listeners of their threads; -1: none do
  bool strays_left = false;     ///< something survived a sweep
  bool closing = false;
  std::uint64_t close_deadline_ns = ~std::uint64_t{0};  ///< then workers that retire are killed
};

/// Addresses of one lane in the supervisor; the regions are mapped read-only.
struct lane_place {
  unsigned lane;
  shm::supervisor_lane& page;
  shm::request_view request;
  shm::response_view response;
};

class ward {
 public:
  ward(surroundings& shared, const lane_place& place);

  /// The first worker.
  void begin() { bear_next(); }
  /// The pool closes. `at_once`: kill; otherwise a worker finishes what it runs.
  void close(bool at_once);

  // -- reports
  void worker_died();
  void drain_errors() noexcept { errors_.drain(flood_share_bytes); }
  /// The worker of that epoch is to ask there before it starts a thread.
  void take_guard(std::uint64_t epoch, base::unique_fd listener) noexcept;
  void answer_thread_request();

  // -- looking after it
  /// Everything that is due by the clock but calls. Returns when to come back. `others_retire`: another lane is just
  /// replacing its worker, so this one waits with its own unless it is urgent.
  std::uint64_t attend(std::uint64_t now_ns, bool others_retire);
  /// Kills the worker where a call of it is late. Returns when to look again. Cost: about 100 ns when nothing is in
  /// flight.
  std::uint64_t watch_calls();

  [[nodiscard]] life state() const noexcept { return state_; }

 private:
  static constexpr std::size_t flood_share_bytes = std::size_t{256} * 1024;

  void handle(event what);
  void publish(shm::lane_state state) noexcept;

  // -- birth (ward_birth.cpp)
  void bear_next();
  void announce() noexcept;
  void fork_worker();
  int try_fork() noexcept;
  [[noreturn]] void become_worker() noexcept;
  int watch_over(int pid) noexcept;

  // -- death (ward_death.cpp)
  void held_back();
  void bury();
  void drop_guard() noexcept;
  void conclude(const shm::verdict& said, bool failed_to_start);
  void ring_host() noexcept;
  [[nodiscard]] start_record how_far_it_came() const noexcept;

  // -- life
  void notice_ready();
  std::uint64_t attend_starting(std::uint64_t now_ns);
  std::uint64_t attend_running(std::uint64_t now_ns, bool others_retire);
  std::uint64_t attend_retiring(std::uint64_t now_ns);
  void tell_to_retire() noexcept;
  void nudge() noexcept;
  std::uint64_t watch_untaken(std::uint64_t slots) noexcept;
  void condemn(const sentence& meant);
  [[nodiscard]] bool is_open() const noexcept;
  [[nodiscard]] bool says_ready() const noexcept;
  [[nodiscard]] bool is_accepted() const noexcept;
  [[nodiscard]] bool runs_a_call() const noexcept;

  surroundings& shared_;
  lane_place place_;
  base::limits limits_;
  life state_ = life::vacant;
  std::uint64_t epoch_ = 0;
  int pid_ = 0;
  base::unique_fd pidfd_;
  std::uint64_t born_ns_ = 0;
  std::uint64_t due_ns_ =
      0;  // of the state: start timeout (never_ns: not opened), end of the backoff, next nudge, next sweep
  std::uint64_t nudge_pause_ns_ = 0;
  std::uint64_t ring_pause_ns_ = 0;  // 0: no answer waits to be taken
  std::uint64_t ring_due_ns_ = 0;
  std::uint64_t quiet_since_ns_ = 0;  // it retires and runs nothing since; 0: it runs something
  std::uint64_t age_limit_ns_ = 0;
  std::uint64_t sample_due_ns_ = 0;
  std::uint64_t resident_bytes_ = 0;  // as sampled last
  sentence sentence_;
  ending ending_;
  std::uint64_t died_ns_ = 0;
  std::uint64_t reap_due_ns_ = ~std::uint64_t{0};  // it is dead and could not be reaped
  lane_deadlines deadlines_;
  usage_meter usage_;
  restart_ledger ledger_;
  stderr_tail errors_;
  base::unique_fd guard_;  // of its threads
};

}  // namespace selvage::supervisor

#pragma once
// The pool's core: everything behind selvage::pool. This header is the table of contents; the parts are in files of
// their own.
//
//   core.cpp       construction, closing
//   posting.cpp    a call into a lane
//   queueing.cpp   a call into the queue of its class, and out again; waiting for room there
//   inputs.cpp     calls that wait for futures among their arguments
//   collector.cpp  who collects, spinning, parking, handing over
//   settling.cpp   an answer becomes an outcome
//   deaths.cpp     a worker's end: what is delivered, failed, moved; the next epoch
//   gathering.cpp  answers that wake nobody while there is work
//   rebalance.cpp  calls taken back from busy workers
//   inline_lane.cpp calls run by the threads that wait, where the options say so
//   helper.cpp     the one thread that collects when nobody waits, and runs callbacks
//   futures.cpp    what futures ask for
//   completions.cpp calls whose outcomes are taken as they come
//   events.cpp     what the trace hook is told
//
// Locking: one mutex, `lock_`, over lanes, queue and call records; on the way of a call held for tens of nanoseconds,
// never while bytes of a large payload are copied, code or destructors of the program run, or a process is waited for.
// The collector's seat is held by at most one thread; only that thread settles answers and handles deaths. A thread
// that holds `lock_` never waits for the seat.

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include <selvage/detail/submit.hpp>
#include <selvage/pool.hpp>
#include "base/this_process.hpp"
#include "base/unique_fd.hpp"
#include "pool/answer.hpp"
#include "pool/balancer.hpp"
#include "pool/biased_mutex.hpp"
#include "pool/call_queue.hpp"
#include "pool/depth.hpp"
#include "pool/figures.hpp"
#include "pool/lane_port.hpp"
#include "pool/lane_set.hpp"
#include "pool/swift_lane.hpp"
#include "pool/symbols.hpp"
#include "pool/task_index.hpp"
#include "pool/worker_class.hpp"
#include "shm/segment.hpp"
#include "shm/spin_budget.hpp"

namespace selvage::detail {

/// A thread that sleeps until somebody sets `word`. On its own stack; linked under the pool's lock.
struct waiter {
  std::atomic<std::uint32_t> word{0};
  bool wants_room = false;  ///< waits for room in the queue
  bool is_patient = false;  ///< waits for whatever comes: see gathering.cpp
};

/// How long whoever collects lets answers lie: see gathering.cpp.
struct patience {
  std::uint64_t ns = 0;             ///< 0: each answer wakes it
  const call_state* one = nullptr;  ///< the one call that it waits for; null: for any

  /// For the answer that it waits for.
  [[nodiscard]] std::uint64_t own_ns() const noexcept { return one == nullptr ? ns : ns / 4; }
};

/// A call that waits for its inputs, which are nobody else's: their futures were given away.
struct waiting_call {
  host::call_ptr call;
  std::vector<host::call_ptr> inputs;
};

/// What the calls of one class have in common: they go to its lanes only, and wait in its queue.
struct class_desk {
  class_desk(const pool_options& options, unsigned lane);

  const unsigned first_lane;
  host::call_queue queue;
  host::balancer balancer;
  host::swift_lane swift;
};

/// What start/ needs in order to bring the processes up, and gives back.
struct launch_request {
  const pool_options& options;
  const shm::geometry& shape;
  shm::descriptors& segment;  ///< still owned by the pool
  std::span<const std::shared_ptr<const task_record>> tasks;
  const host::class_table& classes;
  std::vector<int> event_fds;  ///< one a lane
  int bell;                    ///< eventfd
  std::uint64_t payload_cap;
};
struct launched {
  pid_t supervisor_pid = 0;
  base::unique_fd supervisor_pidfd;
};
/// As the kernel shows it.
inline constexpr const char* helper_thread_name = "selvage-helper";

using launcher = std::function<launched(const launch_request&)>;

class pool_core : public std::enable_shared_from_this<pool_core> {
 public:
  pool_core(pool_options options, std::vector<std::shared_ptr<const task_record>> tasks, const launcher& launch);
  ~pool_core();

  // posting.cpp
  void submit(call_state& call, const task_record& task, const payload_source& given, const call_options& options,
              when_full full);

  // inputs.cpp
  void submit_after(call_state& call, const task_record& task, std::span<call_state* const> inputs,
                    const call_options& options, when_full full, std::function<void()> launch);
  void resume_waiting(call_state& call, const payload_source& given);
  void fail_waiting(call_state& call, const std::exception_ptr& problem);

  // futures.cpp
  bool wait(call_state& call, std::uint64_t until_ns);
  void abort(call_state& call) noexcept;
  void notify(call_state& call, std::function<void()> callback);
  void release_in_place(call_state& call) noexcept;

  // completions.cpp
  void make_room(completion_list& list, std::size_t calls);
  void join(completion_list& list, call_state& call, std::uint32_t ticket);
  void leave(call_state& call) noexcept;
  void take_arrived(completion_list& list);
  void wait(completion_list& list, std::uint64_t until_ns);
  void notify(completion_list& list) noexcept;

  // core.cpp
  void wait_until_ready();
  void shutdown(std::chrono::nanoseconds drain);
  [[nodiscard]] pool_stats stats() const;
  [[nodiscard]] bool in_owner() const noexcept { return base::is_this_process(process_); }

 private:
  using lock_type = std::unique_lock<host::biased_mutex>;
  enum class state : std::uint8_t { open, closing, closed };
  /// What the helper thread is there for just now; a greater one includes the smaller.
  enum class helper_duty : std::uint8_t {
    none,     ///< sleeps
    watch,    ///< calls were posted behind others: look now and then, if nobody collects
    collect,  ///< callbacks or queued calls wait for a collector
  };

  // futures.cpp
  bool wait_for_word(waiter*& place, const std::atomic<std::uint32_t>& word, std::uint64_t until_ns,
                     const patience& how);

  // completions.cpp
  static void arrive(call_state& call) noexcept;

  // inputs.cpp
  [[nodiscard]] std::optional<error> admit_waiting(call_state& call, const call_options& options, when_full full,
                                                   lock_type& held);
  void launch_after(call_state& call, std::span<call_state* const> inputs, const call_options& options,
                    std::function<void()> launch);
  [[nodiscard]] waiting_call no_longer_waits(call_state& call);

  // core.cpp
  /// Requires: the pool knows the call's task.
  [[nodiscard]] class_desk& desk_of(const call_state& call) noexcept {
    return *desks_[classes_.of_task[call.task_index]];
  }
  [[nodiscard]] unsigned count_of_lanes() const noexcept { return static_cast<unsigned>(lanes_.size()); }
  [[nodiscard]] auto lanes_of(const class_desk& desk) const noexcept {
    return std::span(lanes_).subspan(desk.first_lane, classes_.lanes_each);
  }
  [[nodiscard]] bool some_call_is_queued() const noexcept;

  // posting.cpp
  [[nodiscard]] bool find_task(call_state& call, const task_record& task) const noexcept;
  [[nodiscard]] error unknown_task_error(const call_state& call) const;
  [[nodiscard]] std::optional<std::size_t> too_large(call_state& call, const payload_source& arguments);
  [[nodiscard]] error too_large_error(const call_state& call, std::size_t size) const;
  [[nodiscard]] static payload_source kept_source(const kept_payload& kept) noexcept;
  /// What may have happened while the lock was not held: then the call is not to run.
  [[nodiscard]] bool withdrawn(const call_state& call) const noexcept {
    return call.abort_wanted || broken_ || state_ == state::closed;
  }
  [[nodiscard]] error withdrawn_error(const call_state& call) const;
  [[nodiscard]] error closed_error(const call_state& call) const;
  [[nodiscard]] error invalid_error(const call_state& call, const char* fault) const;
  void prepare(call_state& call, const task_record& task, const call_options& options);
  bool post_somewhere(class_desk& desk, call_state& call, const payload_source& arguments, lock_type& held);
  bool post_by_load(class_desk& desk, call_state& call, const payload_source& arguments, lock_type& held);
  void settle_unless_it_may_fit(const class_desk& desk, call_state& call, std::size_t bound, int why);
  void stop_writing(host::lane_port& port, lock_type& held);
  void never_mind() noexcept;
  host::post_result post_to(host::lane_port& port, call_state& call, const payload_source& arguments, lock_type& held);
  inline void fill_header(host::lane_port& port, unsigned slot, call_state& call, payload_form form, bool in_arena,
                          std::uint64_t offset, std::uint64_t length);
  inline void publish(host::lane_port& port, unsigned slot, call_state& call);
  static void wake(host::lane_port& port) noexcept;
  void enqueue(call_state& call, const payload_source& arguments, host::call_queue& queue, lock_type& held);
  void pump_queues(lock_type& held);
  bool pump(class_desk& desk, lock_type& held);
  bool post_to_swift(class_desk& desk, call_state& call, const payload_source& arguments, lock_type& held);
  void notice_swiftness(const host::lane_port& port, std::uint64_t finished);
  void forget_swift_ones();
  void wait_for_room(lock_type& held, const std::stop_token& stop, const std::function<bool()>& has_room);

  // collector.cpp
  template <class Done>
  void collect_until(const Done& done, std::uint64_t until_ns, const patience& how);
  /// Only shutdown takes the seat while it waits for it: everybody else leaves it, and sleeps beside it until the
  /// pool is closed.
  bool take_seat() noexcept {
    return !closer_waits_.load(std::memory_order_relaxed) && take_seat_to_close();
  }  // relaxed: a closer asks again
  bool take_seat_to_close() noexcept { return seat_.exchange(1, std::memory_order_acquire) == 0; }  // SYNC seat
  void leave_seat() noexcept;
  bool collect_pass();
  [[nodiscard]] bool anything_new() const noexcept { return anything_new_besides(false); }
  [[nodiscard]] bool anything_new_besides(bool quiet_answers) const noexcept;
  std::uint64_t park(std::uint64_t until_ns, std::uint32_t seen_interrupt, const patience& how);
  bool plan_next_look(const patience& how);
  [[nodiscard]] bool in_a_hurry(const patience& how) const;
  void interrupt_collector() noexcept;
  template <class Done>
  bool sleep_or_collect(waiter& self, waiter** place, const Done& done, std::uint64_t until_ns, const patience& how);
  template <class Done>
  void sleep_beside_collector(waiter& self, waiter** place, const Done& done, std::uint64_t until_ns);
  void enlist(waiter& self, waiter** place);
  void delist(waiter& self, waiter** place);
  void hand_on();
  void summon_those_without_room() noexcept;
  static void summon(waiter& sleeper) noexcept;

  // gathering.cpp
  [[nodiscard]] bool somebody_is_in_a_hurry() const;
  [[nodiscard]] bool lanes_are_crowded() const noexcept;
  [[nodiscard]] bool all_have_enough(const patience& how) const;
  std::uint64_t plan_gathering(const patience& how);
  void stop_gathering() noexcept;
  /// The helper's turn comes when others have gone.
  [[nodiscard]] bool is_in_a_hurry(const waiter& sleeper) const noexcept {
    return &sleeper != &helper_waiter_ && !sleeper.is_patient;
  }

  // settling.cpp
  std::uint64_t settle_answer(host::lane_port& port, unsigned slot, bool alone, lock_type& held);
  bool settle_finished(host::lane_port& port, std::uint64_t finished, lock_type& held);
  inline void accept_answer(host::lane_port& port, unsigned slot, call_state& call, const host::told_answer& told,
                            const std::byte* inlined, lock_type& held);
  void accept_status(host::lane_port& port, call_state& call, const host::told_answer& told);
  bool accept_in_place(host::lane_port& port, unsigned slot, call_state& call, const payload_view& answer);
  inline void accept_value(host::lane_port& port, unsigned slot, call_state& call, const payload_view& answer,
                           bool in_arena, lock_type& held);
  void accept_exception(host::lane_port& port, call_state& call, const payload_view& answer);
  bool some_threads_were_refused(host::lane_port& port) const noexcept;
  void answer_is_bad(host::lane_port& port, call_state& call, const std::string& why);
  void settle(call_state& call);
  void settle(call_state& call, error problem);
  inline void conclude(call_state& call);
  void settle_from_outside(call_state& call, error problem);
  void retire(host::lane_port& port, shm::recycle_reason why);
  /// Lets go of a call once the lock is not held: its destructor may be anybody's. Returns: the call, valid until then.
  call_state* bury(host::call_ptr&& call) {
    call_state* const still_here = call.get();
    if (still_here != nullptr) graveyard_.push_back(std::move(call));
    return still_here;
  }
  [[nodiscard]] failure base_failure(const call_state& call, errc code, std::string message) const;

  // deaths.cpp
  void look_at_supervisor();
  void look_at_lane(host::lane_port& port);
  void handle_deaths(lock_type& held);
  void drain(host::lane_port& port, lock_type& held);
  void put_back(call_state& call, host::lane_port& port, unsigned slot);
  void open_next(host::lane_port& port);
  void lane_became_ready(host::lane_port& port);
  void fail_everything(const error& why, lock_type& held);
  void count_failed_starts(host::lane_port& port);
  void count_death(host::lane_port& port, const shm::verdict& verdict);
  [[nodiscard]] error death_error(host::lane_port& port, const shm::verdict& verdict, const call_state& call);
  [[nodiscard]] error lost_error() const;
  [[nodiscard]] error no_workers_error() const;
  [[nodiscard]] error with_cause(const call_state& call, const error& why) const;
  [[nodiscard]] bool supervisor_is_gone() const noexcept;

  // rebalance.cpp
  bool rebalance(lock_type& held, bool thorough);
  bool take_back_from_busy(const class_desk& desk, bool for_idle);
  [[nodiscard]] bool another_would_take_them(const class_desk& desk, const host::lane_port& than) const noexcept;
  bool take_back(host::lane_port& port, std::uint64_t waiting);
  [[nodiscard]] bool some_worker_idle(const class_desk& desk) const noexcept;
  void posted_behind(const call_state& call);

  // inline_lane.cpp
  [[nodiscard]] bool inline_lane_takes(const task_record& task) const noexcept;
  [[nodiscard]] bool inline_work() const noexcept;
  bool run_inline_batch(const std::atomic<std::uint32_t>& word);
  void run_inline(call_state& call);
  void release_inline_queue();

  // helper.cpp
  void need_helper(helper_duty duty);
  void wake_helper() noexcept;
  void helper_loop();
  void stop_helper();
  [[nodiscard]] helper_duty duty_now() const noexcept;
  [[nodiscard]] bool others_wait() const noexcept;

  // core.cpp
  void end_processes();
  void reap_supervisor();

  void ring_supervisor() const noexcept;
  // events.cpp
  void emit(event_kind kind, const call_state* call, host::lane_port* port,
            const shm::verdict* verdict = nullptr) const;
  [[nodiscard]] std::int32_t pid_of(host::lane_port& port) const noexcept;
  [[nodiscard]] std::string task_name(const call_state& call) const;

  // Fixed at construction.
  const pool_options options_;
  const std::vector<std::shared_ptr<const task_record>> tasks_;
  const host::task_index index_;
  const host::class_table classes_;
  const shm::geometry shape_;
  const std::uint64_t payload_cap_;
  const shm::fences fences_;
  shm::descriptors segment_;
  shm::mapping head_map_, supervisor_map_;
  shm::host_control* control_ = nullptr;
  const shm::supervisor_control* supervisor_ = nullptr;
  const shm::supervisor_lane* supervisor_lanes_ = nullptr;
  std::vector<std::unique_ptr<host::lane_port>> lanes_;
  base::unique_fd bell_;
  launched processes_;
  const std::uint64_t process_ = base::token_of_this_process();

  // Under lock_.
  mutable host::biased_mutex lock_{fences_};
  state state_ = state::open;
  std::optional<error> broken_;            ///< why no call can ever run again
  bool no_worker_left_ = false;            ///< the restart budget of every lane is spent
  unsigned undrained_ = 0;                 ///< lanes whose worker is gone and whose calls are not dealt with yet
  std::vector<host::call_ptr> graveyard_;  ///< settled calls, let go once the lock is not held
  std::vector<std::unique_ptr<class_desk>> desks_;  ///< by class
  bool pumping_ = false;           ///< a thread moves calls from the queue to lanes, maybe without the lock just now
  host::call_queue inline_queue_;  ///< offered to the inline lane before the workers
  host::service_estimates estimates_;
  host::lane_set awaited_;              ///< lanes with calls in flight, and those whose worker is not ready
  std::vector<host::lane_load> loads_;  ///< scratch for the balancers, by lane
  std::uint64_t next_call_id_ = 1;
  std::uint64_t next_sequence_ = 1;
  unsigned unsettled_ = 0;                                       ///< calls between submit and their outcome
  std::unordered_map<const call_state*, waiting_call> waiting_;  ///< for their inputs
  unsigned callbacks_pending_ = 0;                               ///< calls with a callback that has not run
  std::vector<waiter*> sleepers_;
  std::deque<std::function<void()>> callbacks_;  ///< ready to run
  bool gathering_ = false;                       ///< the collector parks, and some answers do not wake it
  bool none_to_post_ = false;                    ///< it has planned with no call in a queue, and nobody else there
  bool may_miss_rings_ = false;                  ///< none of them is for what it waits for
  bool look_planned_ = false;                    ///< the collector will look at what waits behind a running call
  host::figures figures_;
  host::symbol_names symbols_;
  std::minstd_rand jitter_;

  // The collector's.
  std::atomic<std::uint32_t> seat_{0};
  unsigned first_lane_ = 0;  ///< of the next pass
  unsigned passes_ = 0;
  std::vector<host::call_ptr> buried_;     ///< the graveyard of the last pass: kept for its memory
  std::atomic<bool> closer_waits_{false};  ///< shutdown wants the seat
  std::atomic<std::uint32_t> waiting_threads_{0};
  std::atomic<std::uint32_t> collector_parked_{0};
  std::atomic<bool> broken_seen_{false};
  shm::word32 interrupt_{0};
  std::atomic<std::uint32_t> seen_doorbell_{~0U};  ///< written under lock_, looked at without
  std::atomic<bool> deaths_due_{false};  ///< the same: a death was noted, by whichever thread, and is not handled
  std::atomic<std::uint32_t> turns_{0};  ///< how often the seat was left
  const std::uint64_t patience_ns_;
  const unsigned cores_;  ///< that this process may use
  unsigned fruitless_wakes_ = 0;
  shm::spin_budget spin_budget_;
  std::uint64_t look_again_ns_ = base::never_ns;
  std::uint64_t gathered_ns_ = base::never_ns;  ///< answers have lain long enough then, or a worker has little left

  // The helper thread's, under lock_ but for the word of its waiter.
  std::thread helper_;
  waiter helper_waiter_;
  helper_duty helper_does_ = helper_duty::none;
  bool helper_runs_ = false;
  bool helper_stands_by_ = false;  ///< it leaves queued calls to others for a while: not callbacks
  bool helper_stop_ = false;
};

}  // namespace selvage::detail

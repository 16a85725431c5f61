#pragma once
// A supervisor with workers of a few lines each: the test is the host, posts calls by hand and reads the supervisor's
// words.
//
//   supervisor_rig rig({}, [](scripted_worker& self) { self.open(); self.serve([&](unsigned) { std::raise(SIGSEGV); });
//   }); rig.open(0);
//   rig.post(0, {.call_id = 1});
//   EXPECT_EQ(rig.await_death(0).signal, SIGSEGV);
//
// Every wait is bounded and fails the test. The destructor kills and reaps whatever is left of supervisor and workers.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/syscalls.hpp"
#include "shm/lane.hpp"
#include "shm/segment.hpp"
#include "supervisor/supervisor.hpp"

namespace selvage::test {

using namespace std::chrono_literals;

/// Looks every 200 us until it holds, for 20 s at most.
template <class Condition>
[[nodiscard]] bool eventually(Condition&& holds) {
  for (const std::uint64_t limit = base::now_ns() + 20'000'000'000U; base::now_ns() < limit; ::usleep(200)) {
    if (holds()) return true;
  }
  return holds();
}

/// Direct children of this process.
inline std::vector<int> own_children() {
  std::vector<int> pids;
  std::ifstream file("/proc/self/task/" + std::to_string(::getpid()) + "/children");
  for (int pid = 0; file >> pid;) pids.push_back(pid);
  return pids;
}

/// Words that test, supervisor and workers share, besides the segment: for what a worker tells the test.
class notes {
 public:
  notes()
      : words_(static_cast<std::atomic<std::uint64_t>*>(
            ::mmap(nullptr, shm::page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {}
  notes(const notes&) = delete;
  notes& operator=(const notes&) = delete;
  ~notes() { ::munmap(words_, shm::page_bytes); }
  std::atomic<std::uint64_t>& operator[](std::size_t i) const { return words_[i]; }

 private:
  std::atomic<std::uint64_t>* words_;
};

/// The worker's end: boots as a worker must, then does what the test says.
class scripted_worker {
 public:
  scripted_worker(const shm::geometry& shape, int read_write, int read_only, const supervisor::worker_birth& birth,
                  std::vector<int> left_open)
      : birth_(birth),
        request_(read_only, shm::access::read_only, shape.request_offset(birth.lane), shape.request_region_bytes()),
        response_(read_write, shm::access::read_write, shape.response_offset(birth.lane),
                  shape.response_region_bytes()),
        orders_(read_only, shm::access::read_only, shape.supervisor_lane_offset(birth.lane), shm::page_bytes),
        lane(shm::request_at(request_.data()), shm::response_at(response_.data())) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::setsid();
    if (birth.stderr_fd >= 0) ::dup2(birth.stderr_fd, STDERR_FILENO);
    std::sort(left_open.begin(), left_open.end());
    base::close_all_except(left_open.data(), left_open.size());
  }

  [[nodiscard]] std::uint64_t epoch() const { return birth_.epoch; }
  [[nodiscard]] unsigned lane_number() const { return birth_.lane; }
  [[nodiscard]] bool told_to_retire() const {
    return reinterpret_cast<const shm::supervisor_words*>(orders_.data())->retire.load() == birth_.epoch;
  }

  /// Waits for its turn and says that it is ready.
  void open() {
    while (lane.open_epoch() != birth_.epoch) {
      const shm::watched_word bell = lane.doorbell();
      if (lane.open_epoch() != birth_.epoch) shm::wait_on(*bell.word, bell.expected);
    }
    lane.open(birth_.epoch);
  }
  /// The next slot to run; ends the process with status 0 where it was told to retire. Sleeps without a limit.
  unsigned take() {
    for (;;) {
      if (told_to_retire()) ::_exit(0);
      if (const std::uint64_t pending = lane.pending(); pending != 0) return lane.next(pending);
      lane.set_parked(shm::parked::futex);
      std::atomic_thread_fence(std::memory_order_seq_cst);
      const shm::watched_word bell = lane.doorbell();
      if (lane.pending() == 0 && !told_to_retire()) shm::wait_on(*bell.word, bell.expected);
      lane.set_parked(shm::parked::no);
    }
  }
  void start(unsigned slot) { (void)lane.start(slot, base::now_ns()); }
  void finish(unsigned slot) {
    lane.finish(slot);
    lane.wake_host(shm::every_slot, false);
  }
  /// Starts, runs and finishes calls, honestly. `task` gets the slot.
  template <class Task>
  [[noreturn]] void serve(Task&& task) {
    for (;;) {
      const unsigned slot = take();
      start(slot);
      task(slot);
      finish(slot);
    }
  }

 private:
  supervisor::worker_birth birth_;
  shm::mapping request_, response_, orders_;

 public:
  shm::worker_lane lane;
};

struct rig_options {
  unsigned lanes = 1;
  supervisor::recycle_policy recycle = {};
  supervisor::restart_policy restart = {.backoff_first = 1ms, .backoff_limit = 20ms};
  std::chrono::nanoseconds retire_patience = 5s;
  std::vector<int> keep = {};
  std::vector<int> worker_events = {};    ///< the scripted worker leaves them open
  std::function<void()> before_run = {};  ///< in the supervisor's process
};

struct test_call {
  std::uint64_t call_id = 1;
  std::chrono::nanoseconds limit{0};
  std::uint16_t task = 0;
};

class supervisor_rig {
 public:
  supervisor_rig(rig_options options, std::function<void(scripted_worker&)> script)
      : shape_{.lanes = options.lanes, .request_arena_bytes = shm::page_bytes, .response_arena_bytes = shm::page_bytes},
        segment_(shm::create_segment(shape_)),
        whole_(segment_.read_write.get(), shm::access::read_write, 0, shape_.segment_bytes()),
        bell_(base::make_eventfd()),
        before_(own_children()) {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    for (unsigned k = 0; k < options.lanes; ++k) {
      lanes_.emplace_back(shm::request_at(whole_.data() + shape_.request_offset(k)),
                          shm::response_at(whole_.data() + shape_.response_offset(k)));
    }
    const int host = ::getpid();
    std::fflush(nullptr);
    supervisor_ = ::fork();
    if (supervisor_ != 0) return;
    const int read_write = ::dup(segment_.read_write.get()), read_only = ::dup(segment_.read_only.get());
    supervisor::orders given{.shape = shape_,
                             .segment = {base::unique_fd(read_write), base::unique_fd(read_only)},
                             .bell = base::unique_fd(::dup(bell_.get())),
                             .host_pidfd = base::pidfd_open(host),
                             .host_pid = host,
                             .recycle = options.recycle,
                             .restart = options.restart,
                             .retire_patience = options.retire_patience,
                             .keep = options.keep,
                             .worker_events = options.worker_events,
                             .enter_worker = [=, shape = shape_](const supervisor::worker_birth& birth) {
                               scripted_worker self(shape, read_write, read_only, birth, options.worker_events);
                               script(self);
                             }};
    if (options.before_run) options.before_run();
    supervisor::run(std::move(given));
  }
  supervisor_rig(const supervisor_rig&) = delete;
  supervisor_rig& operator=(const supervisor_rig&) = delete;
  ~supervisor_rig() {
    if (supervisor_ > 0) ::kill(supervisor_, SIGKILL);
    while (!leftovers().empty()) {
      for (const int pid : leftovers()) {
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, __WALL);
      }
    }
  }

  // -- what the supervisor says
  [[nodiscard]] shm::supervisor_lane& page(unsigned k) const {
    return *reinterpret_cast<shm::supervisor_lane*>(whole_.data() + shape_.supervisor_lane_offset(k));
  }
  [[nodiscard]] shm::supervisor_control& control() const {
    return *reinterpret_cast<shm::supervisor_control*>(whole_.data() + 2 * shm::page_bytes);
  }
  [[nodiscard]] shm::host_control& host() const {
    return *reinterpret_cast<shm::host_control*>(whole_.data() + shm::page_bytes);
  }
  [[nodiscard]] shm::lane_state state(unsigned k) const {
    return static_cast<shm::lane_state>(page(k).words.state.load());
  }
  [[nodiscard]] int pid() const { return supervisor_; }
  [[nodiscard]] int worker_pid(unsigned k) const { return static_cast<int>(page(k).words.pid.load()); }
  /// Its descriptors and maps may be read: only root may, for it is not dumpable.
  [[nodiscard]] bool may_look_inside() const {
    return ::access(("/proc/" + std::to_string(supervisor_) + "/fd").c_str(), R_OK) == 0;
  }
  [[nodiscard]] shm::host_lane& lane(unsigned k) { return lanes_[k]; }

  // -- what a host does
  /// Opens the epoch that the supervisor has announced and waits until its worker is ready.
  void open(unsigned k) {
    open_without_waiting(k);
    ASSERT_TRUE(eventually([&] { return lanes_[k].ready() && worker_pid(k) != 0; }));
    lanes_[k].accept_ready();
  }
  void open_without_waiting(unsigned k) {
    ASSERT_TRUE(eventually([&] {
      const shm::supervisor_words& words = page(k).words;
      return words.epoch.load() > words.closed.load() && words.epoch.load() > lanes_[k].open_epoch();
    }));
    lanes_[k].reset();
    lanes_[k].open(page(k).words.epoch.load());
    ring();
  }
  unsigned post(unsigned k, const test_call& call) {
    const unsigned slot = lanes_[k].claim().value();
    shm::request_header& header = lanes_[k].header(slot);
    const std::uint64_t now = base::now_ns();
    header.call_id.store(call.call_id);
    header.posted_at_ns.store(call.limit == 0ns ? 0 : now);
    header.limit_ns.store(base::to_ns(call.limit));
    header.task = call.task;
    header.flags = lanes_[k].base_flags(slot);
    lanes_[k].kill_at(slot, 0);
    lanes_[k].publish(slot);
    lanes_[k].wake_worker();
    if (call.limit != 0ns) promise_look_by(now + base::to_ns(call.limit));
    return slot;
  }
  void kill_at(unsigned k, unsigned slot, std::uint64_t when_ns) {
    lanes_[k].kill_at(slot, when_ns);
    promise_look_by(when_ns);
  }
  /// SYNC next_look, the host's half.
  void promise_look_by(std::uint64_t when_ns) {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (when_ns < control().next_look_ns.load()) base::ring_eventfd(bell_.get());
  }
  void ring() { base::ring_eventfd(bell_.get()); }
  void retire(unsigned k) {
    lanes_[k].request_retire(shm::recycle_reason::calls);
    ring();
  }
  [[nodiscard]] bool await_started(unsigned k, unsigned slot) {
    return eventually([&] { return shm::test(lanes_[k].started(), slot); });
  }
  [[nodiscard]] bool await_done(unsigned k, unsigned slot) {
    return eventually([&] { return shm::test(lanes_[k].finished(), slot); });
  }
  /// The host has taken the answer: the slot is free.
  void take(unsigned k, unsigned slot) {
    lanes_[k].settle(slot);
    lanes_[k].free(slot);
  }

  /// Waits until the open epoch is closed. The death record as the host must read it.
  const shm::verdict& await_death(unsigned k) {
    const std::uint64_t epoch = lanes_[k].open_epoch();
    EXPECT_TRUE(eventually([&] { return page(k).words.closed.load(std::memory_order_acquire) >= epoch; }));
    EXPECT_EQ(page(k).death.epoch, epoch);
    return page(k).death;
  }
  [[nodiscard]] shm::verdict start_failure(unsigned k) const {
    for (;;) {
      const std::uint32_t before = page(k).words.failures.load(std::memory_order_acquire);
      shm::verdict copy = page(k).start_failure;
      std::atomic_thread_fence(std::memory_order_acquire);
      if (before % 2 == 0 && page(k).words.failures.load() == before) return copy;
    }
  }
  /// Orders the end and returns the supervisor's wait status.
  int shut_down(shm::shutdown_order order) {
    host().shutdown.store(static_cast<std::uint32_t>(order));
    ring();
    return await_end();
  }
  int await_end() {
    int status = -1;
    EXPECT_TRUE(eventually([&] { return ::waitpid(supervisor_, &status, WNOHANG) == supervisor_; }));
    supervisor_ = -1;
    return status;
  }

  /// Children of this process that are there because of the rig: the supervisor, or whoever it left behind.
  [[nodiscard]] std::vector<int> leftovers() const {
    std::vector<int> pids = own_children();
    std::erase_if(pids, [&](int pid) { return std::find(before_.begin(), before_.end(), pid) != before_.end(); });
    return pids;
  }

 private:
  shm::geometry shape_;
  shm::descriptors segment_;
  shm::mapping whole_;
  base::unique_fd bell_;
  std::vector<int> before_;
  std::deque<shm::host_lane> lanes_;
  int supervisor_ = -1;
};

inline shm::verdict_reason reason(const shm::verdict& said) { return static_cast<shm::verdict_reason>(said.reason); }
inline std::string tail(const shm::verdict& said) { return {said.stderr_tail, said.stderr_length}; }

}  // namespace selvage::test

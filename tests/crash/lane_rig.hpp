#pragma once
// One lane and its worker, without pool or supervisor: the test plays both. It makes a segment, forks workers into
// its lane, posts calls by hand and looks at what comes back, bit by bit.
//
//   lane_rig rig({{"add", nullptr, &add}});
//   rig.start_worker();
//   const unsigned slot = rig.post(0, pair{1, 2});
//   EXPECT_EQ(rig.await<int>(slot), 3);
//
// Every wait is bounded and fails the test: a worker that hangs is killed by the destructor.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/syscalls.hpp"
#include "shm/lane.hpp"
#include "shm/segment.hpp"
#include "worker/worker.hpp"

namespace selvage::test {

using detail::call_context;
using detail::payload_form;
using detail::task_entry;

/// Answers with the bytes of a trivially copyable value.
template <class Value>
void answer(call_context& context, const Value& value) {
  context.port().reply({.form = payload_form::fixed,
                        .bound = sizeof value,
                        .write = [](const void* from, std::span<std::byte> out) -> detail::extent {
                          std::memcpy(out.data(), from, sizeof(Value));
                          return {0, sizeof(Value)};
                        },
                        .value = &value});
}

inline void answer_nothing(call_context& context) { context.port().reply({}); }

template <class Value>
Value argument(const call_context& context) {
  Value value{};
  std::memcpy(&value, context.arguments.bytes.data(), sizeof value);
  return value;
}

/// A task that takes nothing and gives nothing, out of a plain function.
template <auto function>
void call_victim(const void*, call_context& context) {
  function();
  answer_nothing(context);
}

/// A task that returns the int that the function returns.
template <auto function>
void ask_victim(const void*, call_context& context) {
  answer(context, static_cast<std::int64_t>(function()));
}

struct lane_options {
  std::size_t request_arena = 1U << 20U;
  std::size_t response_arena = 1U << 20U;
  std::size_t response_initial = 64U << 10U;
  std::size_t payload_cap = 1U << 20U;
  std::uint64_t memory_bytes = 0;
  std::chrono::nanoseconds spin = std::chrono::microseconds(20);
  std::vector<int> inherit = {};
  std::function<void()> initializer = {};
  std::function<void()> finalizer = {};
};

struct post_options {
  std::uint64_t call_id = 0;  ///< 0: the next one
  std::uint64_t limit_ns = 0;
  std::uint32_t grace_us = 0;
};

class lane_rig {
 public:
  static constexpr unsigned lane_index = 1;  // of 3: the lanes beside it are the neighbours

  explicit lane_rig(std::vector<task_entry> tasks, lane_options options = {})
      : tasks_(std::move(tasks)),
        options_(std::move(options)),
        shape_{3, options_.request_arena, options_.response_arena},
        segment_(shm::create_segment(shape_)),
        requests_(segment_.read_write.get(), shm::access::read_write, shape_.request_offset(lane_index),
                  shape_.request_region_bytes()),
        responses_(segment_.read_only.get(), shm::access::read_only, shape_.response_offset(lane_index),
                   shape_.response_region_bytes()),
        supervisor_(segment_.read_write.get(), shm::access::read_write, shape_.supervisor_lane_offset(lane_index),
                    sizeof(shm::supervisor_lane)),
        event_(base::make_eventfd()),
        host(shm::request_at(requests_.data()), shm::response_at(responses_.data())) {
    const int reserved = shm::reserve(segment_.read_write.get(), shape_.request_offset(lane_index), requests_.size());
    EXPECT_EQ(reserved, 0);
  }

  ~lane_rig() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

  // -- the supervisor's part

  /// Forks a worker of the next epoch. Its standard error goes to a pipe: see errors().
  void fork_worker() {
    ++epoch_;
    orders().epoch.store(epoch_);
    int ends[2];
    base::check(::pipe2(ends, O_CLOEXEC), "pipe2");
    errors_ = base::unique_fd(ends[0]);
    base::unique_fd write_end(ends[1]);
    base::unique_fd self = base::pidfd_open(::getpid());
    pid_ = base::check(::fork(), "fork");
    if (pid_ != 0) {
      orders().pid.store(static_cast<std::uint32_t>(pid_));
      return;
    }
    worker::run({.shape = shape_,
                 .lane = lane_index,
                 .epoch = epoch_,
                 .read_write_fd = segment_.read_write.get(),
                 .read_only_fd = segment_.read_only.get(),
                 .event_fd = event_.get(),
                 .stderr_fd = write_end.get(),
                 .supervisor_pidfd = self.get()},
                {.response_initial_bytes = options_.response_initial,
                 .payload_cap_bytes = options_.payload_cap,
                 .limits = {.memory_bytes = options_.memory_bytes},
                 .idle = {.spin = options_.spin},
                 .inherit = options_.inherit,
                 .initializer = options_.initializer,
                 .finalizer = options_.finalizer},
                tasks_);
  }

  /// Hands the lane over and waits until the worker is ready.
  void open() {
    host.reset();
    host.open(epoch_);
    ASSERT_TRUE(eventually([&] { return host.ready(); }));
  }

  void start_worker() {
    fork_worker();
    open();
  }

  void retire() {
    orders().retire.store(epoch_);
    eventually([&] {
      shm::nudge(host.request().words->doorbell);
      return has_ended();
    });
  }

  /// Waits for the worker's end. Returns: its wait status.
  int wait_for_the_end() {
    EXPECT_TRUE(eventually([&] { return has_ended(); })) << "the worker did not end";
    if (!status_) {
      ::kill(pid_, SIGKILL);
      int status = 0;
      ::waitpid(pid_, &status, 0);
      status_ = status;
    }
    pid_ = -1;
    return *std::exchange(status_, std::nullopt);
  }

  /// The worker's process is gone, and reaped.
  bool has_ended() {
    int status = 0;
    if (!status_ && ::waitpid(pid_, &status, WNOHANG) == pid_) status_ = status;
    return status_.has_value();
  }

  /// What the worker has written to its standard error until its end.
  std::string errors() {
    std::string text(1U << 16U, '\0');
    const ssize_t length = ::read(errors_.get(), text.data(), text.size());
    text.resize(length < 0 ? 0 : static_cast<std::size_t>(length));
    return text;
  }

  [[nodiscard]] shm::supervisor_words& orders() {
    return reinterpret_cast<shm::supervisor_lane*>(supervisor_.data())->words;
  }

  // -- the host's part

  unsigned post_bytes(std::uint16_t task, std::span<const std::byte> bytes, post_options how = {}) {
    const unsigned slot = prepare(task, bytes, how);
    host.publish(slot);
    wake();
    return slot;
  }

  template <class Value>
  unsigned post(std::uint16_t task, const Value& value, post_options how = {}) {
    return post_bytes(task, std::as_bytes(std::span(&value, 1)), how);
  }

  unsigned post(std::uint16_t task) { return post_bytes(task, {}); }

  /// Claims and fills a slot without publishing it.
  unsigned prepare(std::uint16_t task, std::span<const std::byte> bytes, post_options how = {}) {
    const std::optional<unsigned> slot = host.claim();
    if (!slot) throw std::logic_error("the lane is full");
    shm::request_header& header = host.header(*slot);
    header.call_id.store(how.call_id != 0 ? how.call_id : ++last_call_);
    header.posted_at_ns.store(base::now_ns());
    header.limit_ns.store(how.limit_ns);
    const std::uint64_t grace_ns = std::uint64_t{how.grace_us} * 1000;
    header.soft_limit = grace_ns == 0 ? 0 : shm::packed_time(how.limit_ns - std::min(how.limit_ns, grace_ns));
    header.task = task;
    header.form = static_cast<std::uint8_t>(payload_form::fixed);
    header.flags = host.base_flags(*slot);
    header.length = bytes.size();
    header.offset = 0;
    if (bytes.size() <= shm::inline_payload_bytes) {
      if (!bytes.empty()) std::memcpy(header.payload, bytes.data(), bytes.size());
    } else {
      const std::size_t share = options_.request_arena / shm::slots_per_lane;
      if (bytes.size() > share) throw std::logic_error("more than a slot's share of the rig's request arena");
      header.flags |= shm::request_flags::in_arena;
      header.offset = *slot * share;
      std::memcpy(host.request().arena + header.offset, bytes.data(), bytes.size());
    }
    return *slot;
  }

  /// The worker is woken however it sleeps.
  void wake() {
    if (host.wake_worker() == shm::parked::event) base::ring_eventfd(event_.get());
  }

  /// Waits, as the collector does: parked, so that a worker that forgot to ring would hang the test.
  [[nodiscard]] bool is_answered(unsigned slot) {
    const std::uint64_t give_up = base::now_ns() + patience_ns;
    while (!shm::test(host.finished(), slot)) {
      if (base::now_ns() > give_up) return false;
      host.set_parked(shm::parked::futex);
      std::atomic_thread_fence(std::memory_order_seq_cst);
      const shm::watched_word bell = host.doorbell();
      if (!shm::test(host.finished(), slot)) shm::wait_on(*bell.word, bell.expected, give_up);
      host.set_parked(shm::parked::no);
    }
    return true;
  }

  const shm::response_header& await_response(unsigned slot) {
    EXPECT_TRUE(is_answered(slot)) << "no answer in slot " << slot;
    return host.response(slot);
  }

  [[nodiscard]] std::vector<std::byte> payload(unsigned slot) const {
    const shm::response_header& header = host.response(slot);
    const std::byte* const from = header.in_arena != 0 ? host.response_arena() + header.offset : header.payload;
    return {from, from + header.length};
  }

  /// The result of a call that went well; the slot is freed.
  template <class Value>
  Value await(unsigned slot) {
    const shm::response_header& header = await_response(slot);
    EXPECT_EQ(header.status, static_cast<std::uint8_t>(shm::response_status::ok));
    EXPECT_EQ(header.length, sizeof(Value));
    Value value{};
    if (header.length == sizeof(Value)) std::memcpy(&value, payload(slot).data(), sizeof value);
    take(slot);
    return value;
  }

  shm::response_status await_status(unsigned slot) {
    const auto status = static_cast<shm::response_status>(await_response(slot).status);
    take(slot);
    return status;
  }

  void take(unsigned slot) {
    host.settle(slot);
    host.free(slot);
    wake();
  }

  template <class Condition>
  static bool eventually(Condition&& condition) {
    for (const std::uint64_t give_up = base::now_ns() + patience_ns; base::now_ns() < give_up;) {
      if (condition()) return true;
      ::usleep(200);
    }
    return condition();
  }

  [[nodiscard]] bool worker_is_parked() const {
    return shm::response_at(responses_.data()).words->parked.load() != static_cast<std::uint32_t>(shm::parked::no);
  }
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] std::uint64_t epoch() const { return epoch_; }
  [[nodiscard]] const shm::geometry& shape() const { return shape_; }

 private:
  static constexpr std::uint64_t patience_ns = 20'000'000'000;

  std::vector<task_entry> tasks_;
  lane_options options_;
  shm::geometry shape_;
  shm::descriptors segment_;
  shm::mapping requests_, responses_, supervisor_;
  base::unique_fd event_, errors_;
  std::uint64_t epoch_ = 0;
  std::uint64_t last_call_ = 0;
  pid_t pid_ = -1;
  std::optional<int> status_;

 public:
  shm::host_lane host;  // last: refers to the mappings
};

}  // namespace selvage::test

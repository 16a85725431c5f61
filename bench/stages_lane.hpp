#pragma once
// A lane both of whose sides are in the hands of selvage_stages: one stage of a call after the other, in one process or
// between two. Called by: stages.cpp. Never: sleeps while a stage is timed.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <stdexcept>
#include <vector>

#include <selvage/detail/codec.hpp>
#include "limits/ping_pong.hpp"
#include "limits/timing.hpp"
#include "pool/answer.hpp"
#include "shm/lane.hpp"
#include "worker/result_writer.hpp"

namespace stages {

namespace host = selvage::host;
namespace shm = selvage::shm;
namespace worker = selvage::worker;

using arguments_codec = selvage::detail::arguments_codec<int>;
using result_codec = selvage::detail::result_codec<int>;

inline void require(bool holds, const char* what) {
  if (!holds) throw std::logic_error(what);
}

/// The compiler takes it for read and written.
template <class T>
inline void keep(T& value) {
  asm volatile("" : : "r"(&value) : "memory");
}

/// Both sides of a lane in this process, and the one call that is in it.
class lane_in_hand {
 public:
  lane_in_hand() {
    host_.reset();
    host_.open(1);
    worker_.open(1);
  }
  lane_in_hand(const lane_in_hand&) = delete;
  lane_in_hand& operator=(const lane_in_hand&) = delete;

  [[nodiscard]] bool is_posted() const { return worker_.pending() != 0; }
  [[nodiscard]] bool is_answered() const { return host_.finished() != 0; }

  void claim() { slot_ = host_.claim().value(); }
  void fill() {
    shm::request_header& header = host_.header(slot_);
    header.call_id.store(++call_id_, std::memory_order_relaxed);
    header.posted_at_ns.store(0, std::memory_order_relaxed);
    header.limit_ns.store(0, std::memory_order_relaxed);
    header.task = 0;
    header.form = static_cast<std::uint8_t>(arguments_codec::form);
    header.flags = host_.base_flags(slot_);
    header.soft_limit = 0;
    header.offset = 0;
    header.length = sizeof(int);
  }
  void publish() {
    host_.publish(slot_);
    woken_ = host_.wake_worker();
  }
  void take() {
    slot_ = worker_.next(worker_.pending());
    taken_ = worker_.take(slot_, true);
  }
  void start() { wanted_ = worker_.start(slot_, taken_.flags, 1); }
  void encode_result() {
    const int number = 7;
    results_.begin(slot_);
    worker_.response(slot_).call_id = taken_.call_id;
    results_.write(slot_, result_codec::source(number));
  }
  void finish() {
    shm::response_header& answer = worker_.response(slot_);
    answer.service_ns = 1;
    answer.flags = 0;
    worker_.finish(slot_, true);
    worker_.wake_host(shm::bit(slot_), false);
  }
  void collect() {
    finished_ = host_.finished();
    at_once_ = host_.newest_answer(slot_, call_id_, copy_, payload_);
    told_ = host::read_answer(call_id_, copy_, payload_);
    fault_ = host::place_fault(told_, arena_bytes, arena_bytes);
  }
  void free() {
    host_.settle(slot_);
    host_.free(slot_);
  }
  /// Of a turn that is over. A stage that took another way than a real call does would have cost something else.
  void check_worker() const {
    require(taken_.call_id == call_id_ && wanted_, "the worker has taken another call");
    require(taken_.payload != worker_.request(slot_).payload, "the call was not taken from the line of its bit");
  }
  void check_host() const {
    int number = 0;
    std::memcpy(&number, payload_.bytes.data(), sizeof number);
    require(woken_ == shm::parked::no, "the worker was asleep");
    require(finished_ == shm::bit(slot_) && at_once_ && fault_ == nullptr, "the host has not seen the answer at once");
    require(told_.length == sizeof number && number == 7, "another number has come back");
  }

 private:
  static constexpr std::size_t arena_bytes = 4 * shm::page_bytes;
  static constexpr std::size_t request_bytes = shm::request_layout::arena + arena_bytes;

  limits::shared_memory memory_{request_bytes + shm::response_layout::arena + arena_bytes};
  shm::host_lane host_{shm::request_at(memory_.data()), shm::response_at(memory_.data() + request_bytes),
                       shm::register_for_heavy_fences()};
  shm::worker_lane worker_{shm::request_at(memory_.data()), shm::response_at(memory_.data() + request_bytes)};
  worker::result_writer results_{worker_, {0, arena_bytes}, arena_bytes, {}};
  unsigned slot_ = 0;
  std::uint64_t call_id_ = 0;
  shm::parked woken_{};
  shm::taken_call taken_{};
  bool wanted_ = false;
  std::uint64_t finished_ = 0;
  bool at_once_ = false;
  shm::express_copy copy_;
  shm::express_payload payload_{};
  host::told_answer told_;
  const char* fault_ = nullptr;
};

/// A lane without a pool: a worker that does the stages of a lane and nothing else.
class lane_to_peer {
 public:
  explicit lane_to_peer(int peer_cpu) : peer_(peer_cpu, [this] { serve(); }) {}

  std::vector<double> sample(std::size_t count) {
    constexpr double apart_ns = 2000;
    const limits::opened serving(open_);
    limits::warm_up(apart_ns, [this] { call(); });
    return limits::time_batches(count, limits::ping_pong::round_trips_per_sample, [this] { call(); });
  }

 private:
  void call() {
    lane_.claim();
    lane_.fill();
    lane_.publish();
    peer_.spin_until([this] { return lane_.is_answered(); });
    lane_.collect();
    lane_.check_host();
    lane_.free();
  }
  void serve() {
    for (limits::spinner spin;;) {
      open_.wait_until_open();
      while (open_.is_open()) {
        if (!lane_.is_posted()) {
          spin.pause();
          continue;
        }
        lane_.take();
        lane_.start();
        lane_.encode_result();
        lane_.finish();
      }
    }
  }

  limits::shared_memory memory_{sizeof(limits::gate)};
  limits::gate& open_ = *new (memory_.data()) limits::gate;
  lane_in_hand lane_;  // its memory is shared with the peer, which has a copy of the rest
  limits::peer peer_;
};

}  // namespace stages

// selvage_stages samples=N cpu=N peer_cpu=N: where the nanoseconds of one small call go, int -> int. Each stage alone,
// on the library's own classes, both sides in this process with warm caches; then by turns a word's way to another
// processor and back, and the whole call. Prints medians in ns as a JSON object. Called by: compare/works/stages.py.
//
//   samples        of each figure, each the mean of many turns
//   cpu, peer_cpu  of this process, and of the worker and the other side of the transfer; -1 for any
//
// The one program of this folder that does not keep to the public API: tests/tidy/include_graph.cpp knows it.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <exception>
#include <map>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include <selvage/detail/codec.hpp>
#include <selvage/detail/task_entry.hpp>
#include <selvage/selvage.hpp>
#include "base/clock.hpp"
#include "limits/ping_pong.hpp"
#include "limits/timing.hpp"
#include "pool/answer.hpp"
#include "pool/biased_mutex.hpp"
#include "pool/task_index.hpp"
#include "shm/lane.hpp"
#include "worker/result_writer.hpp"

namespace {

namespace detail = selvage::detail;
namespace host = selvage::host;
namespace shm = selvage::shm;
namespace worker = selvage::worker;

using arguments_codec = detail::arguments_codec<int>;
using result_codec = detail::result_codec<int>;

constexpr unsigned turns = 10'000;  // of a stage, for one sample

using figures = std::map<std::string, std::vector<double>>;

void require(bool holds, const char* what) {
  if (!holds) throw std::logic_error(what);
}

/// The compiler takes it for read and written.
template <class T>
void keep(T& value) {
  asm volatile("" : : "r"(&value) : "memory");
}

double median_of(std::vector<double> samples) {
  std::ranges::sort(samples);
  return samples[samples.size() / 2];
}

// ---- stages without a lane -----------------------------------------------------------------------------------------

/// Takes the answer, and does nothing with it.
class no_port final : public detail::call_context, public detail::reply_port {
 public:
  virtual ~no_port() = default;
  detail::reply_port& port() noexcept override { return *this; }
  detail::reply_port& defer() override { throw std::logic_error("no task here is a coroutine"); }
  detail::event_loop& loop(std::unique_ptr<detail::event_loop> (*)()) override { throw std::logic_error("the same"); }
  void reply(const detail::payload_source& result) noexcept override { bound += result.bound; }
  void fail(std::exception_ptr) noexcept override {}

  std::size_t bound = 0;
};

void time_codec(std::size_t samples, figures& found) {
  alignas(detail::payload_alignment) std::array<std::byte, shm::inline_payload_bytes> bytes{};
  int number = 7;
  found["encode_arguments"] = limits::time_batches(samples, turns, [&] {
    keep(number);
    const auto held = arguments_codec::hold(number);
    const detail::payload_source source = arguments_codec::source(held);
    source.write(source.value, bytes);
    keep(bytes);
  });
  const std::span<const std::byte> encoded = std::span<const std::byte>(bytes).first(sizeof number);
  int sum = 0;
  found["decode_arguments"] = limits::time_batches(samples, turns, [&] {
    keep(bytes);
    arguments_codec::invoke({arguments_codec::form, encoded}, [&](int n) { sum += n; });
    keep(sum);
  });
  found["decode_result"] = limits::time_batches(samples, turns, [&] {
    keep(bytes);
    alignas(detail::payload_alignment) std::array<std::byte, sizeof number> copy;
    std::memcpy(copy.data(), bytes.data(), sizeof number);
    auto decoded = result_codec::read({result_codec::form, copy});
    keep(decoded);
  });
  require(result_codec::read({result_codec::form, encoded}).value() == 7, "another number has come back");
}

void time_task(std::size_t samples, figures& found) {
  const auto nothing = selvage::task("nothing", [] {});
  const detail::task_entry entry{
      .name = nothing.name(), .closure = nothing.record()->closure, .run = nothing.record()->run};
  no_port answers;
  found["run"] = limits::time_batches(samples, turns, [&] {
    entry.run(entry.closure, answers);
    keep(answers);
  });
}

/// What the host does for each call beside its lane: the call's record, its task's row, the pool's lock.
void time_record(std::size_t samples, figures& found) {
  found["record"] = limits::time_batches(samples, turns, [] {
    auto call = detail::call_ref<detail::call_state>(new detail::typed_call<int>);
    keep(call);
  });
  const auto same = selvage::task("same", [](int n) { return n; });
  const host::task_index index(std::array{same.record()});
  found["find_task"] = limits::time_batches(samples, turns, [&] {
    auto row = index.find(*same.record());
    keep(row);
  });
  host::biased_mutex lock(shm::register_for_heavy_fences());
  found["lock_twice"] = limits::time_batches(samples, turns, [&] {
    for (int i = 0; i < 2; ++i) {
      lock.lock();
      keep(lock);
      lock.unlock();
    }
  });
  found["clock_twice"] = limits::time_batches(samples, turns, [] {
    std::uint64_t now = selvage::base::now_ns();
    keep(now);
    now = selvage::base::now_ns();
    keep(now);
  });
}

// ---- stages of a lane ----------------------------------------------------------------------------------------------

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
    const unsigned next = worker_.next(worker_.pending());
    taken_ = worker_.take(next, true);
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
    told_ = host::read_answer(call_id_, copy_);
    fault_ = host::place_fault(told_, arena_bytes, arena_bytes);
  }
  void free() {
    host_.settle(slot_);
    host_.free(slot_);
  }
  /// Requires: a turn that is over. A stage that took another way than a real call does would have cost something else.
  void check() const {
    int number = 0;
    std::memcpy(&number, payload_.bytes.data(), sizeof number);
    require(woken_ == shm::parked::no && taken_.call_id == call_id_ && wanted_, "the worker has taken another call");
    require(taken_.payload != host_payload(), "the call was not taken from the line of its bit");
    require(finished_ == shm::bit(slot_) && at_once_ && fault_ == nullptr, "the host has not seen the answer at once");
    require(told_.length == sizeof number && number == 7, "another number has come back");
  }

 private:
  static constexpr std::size_t arena_bytes = 4 * shm::page_bytes;
  static constexpr std::size_t request_bytes = shm::request_layout::arena + arena_bytes;

  [[nodiscard]] const std::byte* host_payload() const { return worker_.request(slot_).payload; }

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

/// A stage ends with the next one of its call, so each is timed over several lanes, and all go through their turns
/// together. "nothing" is what the clock and the loop take.
void time_lane(std::size_t samples, figures& found) {
  constexpr unsigned lanes = 8;
  std::array<lane_in_hand, lanes> all;
  using stage = void (lane_in_hand::*)();
  const auto time = [&]<stage Of>(std::integral_constant<stage, Of>) {
    const std::uint64_t begin = limits::now_ns();
    for (lane_in_hand& each : all) {
      (each.*Of)();
      keep(each);
    }
    return limits::now_ns() - begin;
  };
  const auto time_nothing = [&] {
    const std::uint64_t begin = limits::now_ns();
    for (lane_in_hand& each : all) keep(each);
    return limits::now_ns() - begin;
  };
  constexpr std::array names{"claim", "fill", "publish", "take", "start", "encode_result", "finish", "collect", "free"};
  for (std::size_t sample = 0; sample < samples; ++sample) {
    std::array<std::uint64_t, names.size()> took{};
    std::uint64_t nothing = 0;
    for (unsigned i = 0; i < turns / lanes; ++i) {
      std::size_t at = 0;
      const auto next = [&]<stage Of>(std::integral_constant<stage, Of> of) { took[at++] += time(of); };
      nothing += time_nothing();
      next(std::integral_constant<stage, &lane_in_hand::claim>{});
      next(std::integral_constant<stage, &lane_in_hand::fill>{});
      next(std::integral_constant<stage, &lane_in_hand::publish>{});
      next(std::integral_constant<stage, &lane_in_hand::take>{});
      next(std::integral_constant<stage, &lane_in_hand::start>{});
      next(std::integral_constant<stage, &lane_in_hand::encode_result>{});
      next(std::integral_constant<stage, &lane_in_hand::finish>{});
      next(std::integral_constant<stage, &lane_in_hand::collect>{});
      next(std::integral_constant<stage, &lane_in_hand::free>{});
    }
    for (const lane_in_hand& each : all) each.check();
    for (std::size_t i = 0; i < names.size(); ++i) {
      const auto alone = static_cast<double>(took[i] - std::min(took[i], nothing));
      found[names[i]].push_back(alone / (turns / lanes * lanes));
    }
  }
}

// ---- two processes -------------------------------------------------------------------------------------------------

/// The limit and the call by turns, so that both see the same machine.
void time_whole(std::size_t samples, int peer_cpu, figures& found) {
  constexpr std::size_t in_a_turn = 20;
  constexpr unsigned batch = limits::ping_pong::round_trips_per_sample;
  constexpr double apart_ns = 2000;  // a call that takes less has its worker on another processor
  const auto same = selvage::task("same", [](int n) { return n; });
  selvage::pool pool({.workers = 1}, same);
  limits::pin(peer_cpu, pool.stats().lanes.at(0).worker_pid);
  limits::ping_pong raw(peer_cpu);
  int number = 0;
  const auto call = [&] {
    ++number;
    require(pool.call(same, number).get() == number, "another number has come back");
  };
  const auto append = [](std::vector<double>& all, const std::vector<double>& more) {
    all.insert(all.end(), more.begin(), more.end());
  };
  for (std::size_t taken = 0; taken < samples; taken += in_a_turn) {
    append(found["transfer"], raw.sample(in_a_turn));
    limits::warm_up(apart_ns, call);
    append(found["whole"], limits::time_batches(in_a_turn, batch, call));
  }
}

int value_of(const std::map<std::string, int>& parts, const char* name) {
  const auto found = parts.find(name);
  if (found == parts.end()) throw std::invalid_argument(std::string(name) + "=N is missing");
  return found->second;
}

}  // namespace

int main(int argc, char** argv) try {
  selvage::init(argc, argv);
  std::map<std::string, int> parts;
  for (int i = 1; i < argc; ++i) {
    const char* const value = std::strchr(argv[i], '=');
    if (value == nullptr) throw std::invalid_argument(std::string(argv[i]) + " is not NAME=VALUE");
    parts.emplace(std::string(argv[i], static_cast<std::size_t>(value - argv[i])), std::stoi(value + 1));
  }
  const auto samples = static_cast<std::size_t>(value_of(parts, "samples"));
  limits::pin(value_of(parts, "cpu"));
  figures found;
  time_codec(samples, found);
  time_task(samples, found);
  time_record(samples, found);
  time_lane(samples, found);
  time_whole(samples, value_of(parts, "peer_cpu"), found);
  std::string text;
  for (auto& [name, each] : found)
    text += (text.empty() ? "\"" : ", \"") + name + "\": " + std::to_string(median_of(std::move(each)));
  std::puts(("{" + text + "}").c_str());
  return 0;
} catch (const std::exception& problem) {
  std::fprintf(stderr, "selvage_stages: %s\n", problem.what());
  return 1;
}

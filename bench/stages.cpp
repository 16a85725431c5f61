// selvage_stages samples=N cpu=N peer_cpu=N: where the nanoseconds of one small call go, int -> int. Each stage alone,
// on the library's own classes, both sides in this process with warm caches; then by turns a word's way to another
// processor and back, a lane without a pool, and the whole call. Prints medians in ns as a JSON object.
// Called by: compare/works/stages.py.
//
//   samples        of each figure, each the mean of many turns
//   cpu, peer_cpu  of this process, and of the worker and the other side of the transfer; -1 for any
//
// The one program of this folder, with its header, that does not keep to the public API: see
// tests/tidy/include_graph.cpp.

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
#include "pool/biased_mutex.hpp"
#include "pool/task_index.hpp"
#include "stages_lane.hpp"

namespace {

namespace detail = selvage::detail;
namespace host = selvage::host;
namespace shm = selvage::shm;

using stages::arguments_codec;
using stages::keep;
using stages::lane_in_hand;
using stages::require;
using stages::result_codec;

constexpr unsigned turns = 10'000;  // of a stage, for one sample

using figures = std::map<std::string, std::vector<double>>;

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
    for (const lane_in_hand& each : all) {
      each.check_worker();
      each.check_host();
    }
    for (std::size_t i = 0; i < names.size(); ++i) {
      const auto alone = static_cast<double>(took[i] - std::min(took[i], nothing));
      found[names[i]].push_back(alone / (turns / lanes * lanes));
    }
  }
}

// ---- two processes -------------------------------------------------------------------------------------------------

/// The limit, the lane and the call by turns, so that all see the same machine.
void time_whole(std::size_t samples, int peer_cpu, figures& found) {
  constexpr std::size_t in_a_turn = 20;
  constexpr unsigned batch = limits::ping_pong::round_trips_per_sample;
  constexpr double apart_ns = 2000;  // a call that takes less has its worker on another processor
  const auto same = selvage::task("same", [](int n) { return n; });
  selvage::pool pool({.workers = 1}, same);
  limits::pin(peer_cpu, pool.stats().lanes.at(0).worker_pid);
  limits::ping_pong raw(peer_cpu);
  stages::lane_to_peer lane(peer_cpu);
  int number = 0;
  const auto call = [&] {
    ++number;
    require(pool.call(same, number).get() == number, "another number has come back");
  };
  for (std::size_t taken = 0; taken < samples; taken += in_a_turn) {
    const double transfer = median_of(raw.sample(in_a_turn));
    const double bare = median_of(lane.sample(in_a_turn));
    limits::warm_up(apart_ns, call);
    const double whole = median_of(limits::time_batches(in_a_turn, batch, call));
    found["transfer"].push_back(transfer);
    found["lane"].push_back(bare);
    found["whole"].push_back(whole);
    // The processors may be near each other in one turn and far apart in the next: what is compared is of one turn.
    found["lane_over_transfer"].push_back(bare - transfer);
    found["whole_over_transfer"].push_back(whole - transfer);
    std::uint64_t posting_ns = 0;
    for (unsigned i = 0; i < in_a_turn * batch; ++i) {
      const std::uint64_t begin = limits::now_ns();
      auto pending = pool.call(same, number);
      posting_ns += limits::now_ns() - begin;
      require(pending.get() == number, "another number has come back");
    }
    found["post"].push_back(static_cast<double>(posting_ns) / (in_a_turn * batch));
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

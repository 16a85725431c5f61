// The smallest call: its argument comes back. Latency with one call at a time, throughput with several in flight, whose
// answers are taken in the order of the calls.

#include <array>
#include <cstring>
#include <string>
#include <vector>

#include <selvage/selvage.hpp>

#include "channels.hpp"
#include "limits/mailbox.hpp"
#include "limits/ping_pong.hpp"
#include "pinning.hpp"
#include "work.hpp"

namespace compare {
namespace {

const std::string json_text = R"({"id":12345})";
const std::string long_text(64, 't');

/// Bytes on the way through a channel. Of an empty call there is one: a message of none is the end of a pipe.
std::vector<std::byte> message_of(const std::string& payload) {
  const std::string text = payload == "json" ? json_text : payload == "text" ? long_text : std::string();
  if (!text.empty()) {
    const auto* const bytes = reinterpret_cast<const std::byte*>(text.data());
    return {bytes, bytes + text.size()};
  }
  return std::vector<std::byte>(payload == "int" ? sizeof(std::int64_t) : 1, std::byte{7});
}

class through_channel {
 public:
  through_channel(channel& way, std::vector<std::byte> message) : way_(way), message_(std::move(message)) {}
  void make() {
    // Where there is no room, one that has been answered makes some.
    while (!way_.try_send(message_.data())) receive_one(), ++taken_early_;
  }
  void take() {
    if (taken_early_ != 0) return void(--taken_early_);
    receive_one();
  }

 private:
  void receive_one() {
    std::array<std::byte, 64> answer{};
    way_.receive(answer.data());
    require(std::memcmp(answer.data(), message_.data(), message_.size()) == 0, "another answer has come back");
  }

  channel& way_;
  std::vector<std::byte> message_;
  std::uint64_t taken_early_ = 0;
};

template <class Task, class... Arguments>
class through_pool {
 public:
  using result = typename Task::result;

  through_pool(selvage::pool& pool, const Task& task, std::size_t in_flight, Arguments... arguments)
      : pool_(pool), task_(task), window_(in_flight), arguments_(std::move(arguments)...) {}
  void make() {
    window_[made_++ % window_.size()] =
        std::apply([&](const auto&... each) { return pool_.call(task_, each...); }, arguments_);
  }
  void take() {
    auto& oldest = window_[taken_++ % window_.size()];
    if constexpr (std::is_void_v<result>) {
      oldest.get();
    } else {
      require(oldest.get() == std::get<0>(arguments_), "another answer has come back");
    }
  }

 private:
  selvage::pool& pool_;
  const Task& task_;
  std::vector<selvage::future<result>> window_;
  std::tuple<Arguments...> arguments_;
  std::uint64_t made_ = 0;
  std::uint64_t taken_ = 0;
};

template <class Calls>
answer time_calls(const request& asked, Calls calls) {
  const std::uint64_t in_flight = asked.number("in_flight");
  const std::uint64_t for_ns = asked.number("for_ms") * 1'000'000U;
  if (in_flight == 1) {
    return time_each(for_ns, [&] {
      calls.make();
      calls.take();
    });
  }
  for (std::uint64_t i = 0; i < in_flight; ++i) calls.make();
  auto found = time_many(for_ns, [&] {
    calls.take();
    calls.make();
  });
  for (std::uint64_t i = 0; i < in_flight; ++i) calls.take();
  return found;
}

answer of_pool(const request& asked, unsigned workers) {
  const std::string& payload = asked.text("payload");
  const std::uint64_t in_flight = asked.number("in_flight");
  const auto nothing = selvage::task("nothing", [] {});
  const auto number = selvage::task("number", [](std::int64_t n) { return n; });
  const auto text = selvage::task("text", [](std::string t) { return t; });
  selvage::pool pool({.workers = workers}, nothing, number, text);
  pin_workers(pool, asked.cpu("peer_cpu"));
  if (payload == "empty") return time_calls(asked, through_pool<decltype(nothing)>(pool, nothing, in_flight));
  if (payload == "int")
    return time_calls(asked, through_pool<decltype(number), std::int64_t>(pool, number, in_flight, 7));
  return time_calls(asked, through_pool<decltype(text), std::string>(pool, text, in_flight,
                                                                     payload == "json" ? json_text : long_text));
}

/// What the machine can do: a word to another core and back, and a bare mailbox.
answer of_limit(const request& asked) {
  const int cpu = asked.cpu("peer_cpu");
  const std::uint64_t in_flight = asked.number("in_flight");
  const auto median = [](std::vector<double> samples) {
    std::ranges::sort(samples);
    return samples;
  };
  constexpr std::size_t samples = 300;
  if (in_flight == 1) {
    limits::ping_pong raw(cpu);
    const auto sorted = median(raw.sample(samples));
    return {{"p50", sorted[samples / 2]}, {"p99", sorted[samples * 99 / 100]}, {"p999", sorted[samples - 1]}};
  }
  if (in_flight != limits::mailbox_64::slots) throw not_for_this("the bare mailbox has 64 slots");
  limits::mailbox_64 raw(cpu);
  return {{"per_second", 1e9 / median(raw.sample(samples))[samples / 2]}};
}

}  // namespace

answer tiny_call(const request& asked) {
  limits::pin(asked.cpu("cpu"));
  if (asked.peer == "limit") return of_limit(asked);
  if (asked.peer == "selvage") return of_pool(asked, 1);
  if (asked.peer == "selvage_2") return of_pool(asked, 2);
  const auto message = message_of(asked.text("payload"));
  const auto way = open_channel(asked.peer, message.size(), asked.cpu("peer_cpu"));
  if (!way) throw not_for_this("there is no such peer");
  return time_calls(asked, through_channel(*way, message));
}

}  // namespace compare

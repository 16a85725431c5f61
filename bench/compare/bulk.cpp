// Large payloads, one call at a time: they come back as they went. An answer's length, and the number of its call in
// its first and last bytes, are looked at each time, and the whole of one at the end: more would be timed too.

#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <selvage/selvage.hpp>

#include "channels.hpp"
#include "limits/copy.hpp"
#include "pinning.hpp"
#include "work.hpp"

namespace compare {
namespace {

template <class Payload>
class numbered {
 public:
  explicit numbered(std::size_t size) : payload_(size, typename Payload::value_type{0x5a}) {
    require(size >= 2 * sizeof number_, "a payload has room for two numbers");
  }
  const Payload& next() {
    ++number_;
    std::memcpy(payload_.data(), &number_, sizeof number_);
    std::memcpy(payload_.data() + payload_.size() - sizeof number_, &number_, sizeof number_);
    return payload_;
  }
  void look_at(const Payload& answer) const {
    require(answer.size() == payload_.size() && std::memcmp(answer.data(), &number_, sizeof number_) == 0 &&
                std::memcmp(answer.data() + answer.size() - sizeof number_, &number_, sizeof number_) == 0,
            "another answer has come back");
  }
  void compare_whole(const Payload& answer) const { require(answer == payload_, "an answer has come back changed"); }

 private:
  Payload payload_;
  std::uint64_t number_ = 0;
};

/// So many calls go once round an arena (with_room_for): memory that is touched for the first time costs more than its
/// copies, and a warm-up of so much time may end before.
constexpr int calls_around = 9;

/// `call`: the answer to a payload.
template <class Payload, class Call>
answer time_echo(std::size_t size, std::uint64_t for_ns, Call&& call) {
  numbered<Payload> sent(size);
  for (int i = 0; i < calls_around; ++i) sent.look_at(call(sent.next()));
  auto found = time_each(for_ns, [&] { sent.look_at(call(sent.next())); });
  sent.compare_whole(call(sent.next()));
  return found;
}

using bytes = std::vector<std::byte>;

answer through_channel(channel& way, std::size_t size, std::uint64_t for_ns) {
  bytes answer(size);
  return time_echo<bytes>(size, for_ns, [&](const bytes& payload) -> const bytes& {
    require(way.try_send(payload.data()), "an empty channel has no room");
    way.receive(answer.data());
    return answer;
  });
}

/// An answer may be an eighth of the arena, by default.
selvage::pool_options with_room_for(std::size_t size) {
  constexpr std::size_t default_arena = std::size_t{64} << 20U;
  return {.workers = 1, .arena = {.maximum = selvage::bytes{std::max(default_arena, 8 * size)}}};
}

template <class Payload, class View>
answer through_pool(std::size_t size, std::uint64_t for_ns, int peer_cpu) {
  const auto same = selvage::task("echo", [](View in) { return in; });
  selvage::pool pool(with_room_for(size), same);
  pin_workers(pool, peer_cpu);
  return time_echo<Payload>(size, for_ns, [&](const Payload& payload) { return pool.call(same, payload).get(); });
}

/// The caller writes each byte of the argument and reads each of the answer, as in the limit.
answer in_place(std::size_t size, std::uint64_t for_ns, int peer_cpu) {
  const auto same = selvage::task("echo", [](std::span<const std::byte> in) { return in; });
  selvage::pool pool(with_room_for(size), same);
  pin_workers(pool, peer_cpu);
  std::uint64_t number = 0;
  const auto echo = [&] {
    std::uint64_t expected = 0;
    const selvage::trusted_view view =
        pool.call_trusted(same, selvage::in_place(size,
                                                  [&](std::span<std::byte> out) {
                                                    limits::fill(out.data(), out.size(), ++number);
                                                    expected = size * std::to_integer<std::uint64_t>(out[0]);
                                                  }))
            .get();
    require(view.bytes().size() == size && limits::sum(view.bytes().data(), size) == expected,
            "a payload has come back changed");
  };
  for (int i = 0; i < calls_around; ++i) echo();
  return time_each(for_ns, echo);
}

/// Between two processes that spin on a word each.
answer bare_copies(limits::echo kind, std::size_t size, std::uint64_t for_ns, int peer_cpu) {
  limits::memcpy_two_process raw(kind, {.bytes = size, .depth = 1, .echoes_per_sample = 1}, peer_cpu);
  const auto ns = [&](std::size_t count) {
    auto samples = raw.sample(count);
    for (double& each : samples) each = static_cast<double>(size) / each;
    std::ranges::sort(samples);
    return samples;
  };
  constexpr std::size_t tried = 20;
  constexpr double most = 200'000;
  const double each = ns(tried)[tried / 2];
  const auto sorted = ns(static_cast<std::size_t>(std::clamp(static_cast<double>(for_ns) / each, 1.0, most)));
  double sum = 0;
  for (const double one : sorted) sum += one;
  return {{"p50", sorted[sorted.size() / 2]}, {"mean", sum / static_cast<double>(sorted.size())}};
}

/// The same copies on one processor, as if it cost nothing to hand it over.
answer copies_alone(limits::echo kind, std::size_t size, std::uint64_t for_ns) {
  const limits::shared_memory there(size);
  const limits::shared_memory back(size);
  if (kind == limits::echo::copied) {
    bytes answer(size);
    return time_echo<bytes>(size, for_ns, [&](const bytes& payload) -> const bytes& {
      std::memcpy(there.data(), payload.data(), size);
      std::memcpy(back.data(), there.data(), size);
      std::memcpy(answer.data(), back.data(), size);
      return answer;
    });
  }
  std::uint64_t number = 0;
  return time_each(for_ns, [&] {
    limits::fill(there.data(), size, ++number);
    std::memcpy(back.data(), there.data(), size);
    require(limits::sum(back.data(), size) == size * std::to_integer<std::uint64_t>(there.data()[0]),
            "a payload has come back changed");
  });
}

}  // namespace

answer bulk(const request& asked) {
  const std::size_t size = asked.number("size");
  const std::uint64_t for_ns = asked.number("for_ms") * 1'000'000U;
  const std::string& form = asked.text("form");
  const int peer_cpu = asked.cpu("peer_cpu");
  limits::pin(asked.cpu("cpu"));
  if (asked.peer == "memcpy") {
    const auto kind = form == "in_place" ? limits::echo::in_place : limits::echo::copied;
    const bool alone = peer_cpu != limits::any_cpu && peer_cpu == asked.cpu("cpu");
    return alone ? copies_alone(kind, size, for_ns) : bare_copies(kind, size, for_ns, peer_cpu);
  }
  if (asked.peer == "selvage") {
    if (form == "in_place") return in_place(size, for_ns, peer_cpu);
    if (form == "string") return through_pool<std::string, std::string_view>(size, for_ns, peer_cpu);
    return through_pool<bytes, std::span<const std::byte>>(size, for_ns, peer_cpu);
  }
  const auto way = open_channel(asked.peer, size, peer_cpu);
  if (!way) throw not_for_this("there is no such peer");
  return through_channel(*way, size, for_ns);
}

}  // namespace compare

// What large payloads cost: 1 MiB there and back, 64 in flight, copied in and out or built and read in place.

#include <array>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "groups.hpp"
#include "limits/copy.hpp"
#include "limits/timing.hpp"
#include "pools.hpp"

namespace selvage::bench {
namespace {

constexpr std::size_t payload_bytes = std::size_t{1} << 20U;
constexpr unsigned in_flight = 64;
constexpr unsigned echoes_per_sample = 64;
constexpr limits::copy_options same_window{
    .bytes = payload_bytes, .depth = in_flight, .echoes_per_sample = echoes_per_sample};

// GB/s of a window of calls: `post` makes one, `finish` awaits and uses its result.
template <class Post, class Finish>
std::vector<double> echo(std::size_t count, Post&& post, Finish&& finish) {
  using pending = decltype(post(std::uint64_t{0}));
  std::array<pending, in_flight> window;
  std::uint64_t posted = 0;
  for (auto& each : window) each = post(posted++);
  const auto call = [&] {
    auto& oldest = window[posted % in_flight];
    finish(oldest, posted - in_flight);
    oldest = post(posted);
    ++posted;
  };
  for (unsigned i = 0; i < in_flight; ++i) call();  // warms up
  auto samples = limits::time_batches(count, echoes_per_sample, call);
  for (double& each : samples) each = static_cast<double>(payload_bytes) / each;
  for (unsigned i = 0; i < in_flight; ++i) finish(window[(posted + i) % in_flight], posted - in_flight + i);
  return samples;
}

sampler raw(limits::echo kind, const settings& as) {
  auto made = std::make_shared<limits::memcpy_two_process>(kind, same_window, as.peer_cpu);
  return [made](std::size_t count) { return made->sample(count); };
}

// Payload: what the caller has and gets; Task: a task that returns its one argument.
template <class Payload, class Task>
sides open_copied(const Task& same, const Payload& payload, const settings& as) {
  sampler limit = raw(limits::echo::copied, as);
  auto shared = std::make_shared<pool>(with_workers(1, as), same);
  auto figure = [same, payload, shared](std::size_t count) {
    Payload last;
    auto samples = echo(
        count, [&](std::uint64_t) { return shared->call(same, payload); },
        [&](auto& result, std::uint64_t) {
          last = result.get();
          if (last.size() != payload.size()) throw std::logic_error("a payload came back shorter");
        });
    if (last != payload) throw std::logic_error("a payload came back changed");
    return samples;
  };
  return {.figure = figure, .limit = limit};
}

sides open_bytes(const settings& as) {
  const auto same = task("echo_bytes", [](std::span<const std::byte> in) { return in; });
  return open_copied(same, std::vector<std::byte>(payload_bytes, std::byte{0x5a}), as);
}

sides open_string(const settings& as) {
  const auto same = task("echo_string", [](std::string_view in) { return in; });
  return open_copied(same, std::string(payload_bytes, 'Z'), as);
}

// The caller writes every byte of each argument and sums every byte of each result, and so does the limit.
sides open_in_place(const settings& as) {
  const auto same = task("echo_in_place", [](std::span<const std::byte> in) { return in; });
  sampler limit = raw(limits::echo::in_place, as);
  auto shared = std::make_shared<pool>(with_workers(1, as), same);
  auto figure = [same, shared](std::size_t count) {
    std::array<std::uint64_t, in_flight> sums{};
    return echo(
        count,
        [&](std::uint64_t number) {
          return shared->call_trusted(same, in_place(payload_bytes, [&](std::span<std::byte> out) {
                                        limits::fill(out.data(), out.size(), number);
                                        sums[number % in_flight] = payload_bytes * std::to_integer<unsigned>(out[0]);
                                      }));
        },
        [&](future<trusted_view>& result, std::uint64_t number) {
          const trusted_view view = result.get();
          if (limits::sum(view.bytes().data(), view.bytes().size()) != sums[number % in_flight]) {
            throw std::logic_error("a payload came back changed");
          }
        });
  };
  return {.figure = figure, .limit = limit};
}

void add_echo(suite& to, std::string name, std::function<sides(const settings&)> open) {
  to.add({.name = std::move(name),
          .unit = "GB/s",
          .goal = {.ratio_at_least = 0.8},
          .rhythm = {.turns = 4, .samples = 3},
          .open = std::move(open)});
}

}  // namespace

void add_bulk(suite& to) {
  add_echo(to, "echo_1mib_bytes", open_bytes);
  add_echo(to, "echo_1mib_string", open_string);
  add_echo(to, "echo_1mib_in_place", open_in_place);
}

}  // namespace selvage::bench

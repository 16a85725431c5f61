#pragma once
// What the peers that are C++ have in common: how they are asked, how they answer, and how a call is timed. Each run of
// selvage_peers is one peer at one piece of work; compare.py alternates them and makes tables of the answers.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "limits/process.hpp"

namespace compare {

/// A peer that does not do this work. compare.py leaves it out and says so.
struct not_for_this : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct request {
  std::string peer;
  std::map<std::string, std::string> parts;

  [[nodiscard]] const std::string& text(const std::string& name) const { return parts.at(name); }
  [[nodiscard]] std::uint64_t number(const std::string& name) const { return std::stoull(parts.at(name)); }
  [[nodiscard]] int cpu(const std::string& name) const { return std::stoi(parts.at(name)); }
};

/// Figures by name: nanoseconds, or calls per second.
using answer = std::map<std::string, double>;

/// Ends the peer with an error instead of a figure.
inline void require(bool holds, const char* what) {
  if (!holds) throw std::logic_error(what);
}

/// What a call takes, one at a time: "p50", "p99", "p999" and "mean" in ns, of at most so many calls and so long, after
/// a warm-up that is no longer.
template <class Call>
answer time_each(std::uint64_t for_ns, Call&& call) {
  constexpr std::size_t most = 200'000;
  constexpr std::size_t warm_up = 200;
  const std::uint64_t warm_at = limits::now_ns() + for_ns;
  for (std::size_t i = 0; i < warm_up && limits::now_ns() < warm_at; ++i) call();
  std::vector<std::uint64_t> times;
  times.reserve(most);
  const std::uint64_t begin = limits::now_ns();
  std::uint64_t before = begin;
  while (before < begin + for_ns && times.size() < most) {
    call();
    const std::uint64_t now = limits::now_ns();
    times.push_back(now - before);
    before = now;
  }
  const double mean = static_cast<double>(before - begin) / static_cast<double>(times.size());
  std::ranges::sort(times);
  const auto at = [&](double part) {
    return static_cast<double>(times[static_cast<std::size_t>(part * static_cast<double>(times.size() - 1))]);
  };
  return {{"p50", at(0.5)}, {"p99", at(0.99)}, {"p999", at(0.999)}, {"mean", mean}};
}

/// How many calls a second are made: "per_second". `call`: takes the oldest answer and makes one call more.
template <class Call>
answer time_many(std::uint64_t for_ns, Call&& call) {
  constexpr unsigned between_looks = 64;
  std::uint64_t calls = 0;
  for (unsigned i = 0; i < between_looks; ++i) call();  // warm-up
  const std::uint64_t begin = limits::now_ns();
  std::uint64_t now = begin;
  for (; now - begin < for_ns; now = limits::now_ns()) {
    for (unsigned i = 0; i < between_looks; ++i) call();
    calls += between_looks;
  }
  return {{"per_second", static_cast<double>(calls) * 1e9 / static_cast<double>(now - begin)}};
}

/// payload=empty|int|json|text in_flight=N for_ms=N cpu=N peer_cpu=N: calls that give back their argument.
[[nodiscard]] answer tiny_call(const request& asked);

/// size=N form=bytes|string|in_place for_ms=N cpu=N peer_cpu=N: calls, one at a time, that give back a payload of so
/// many bytes.
[[nodiscard]] answer bulk(const request& asked);

/// items=N loops=N workers=N: so many items of so many steps of arithmetic. "ns": all of them.
[[nodiscard]] answer fan_out(const request& asked);

/// items=N loops=N workers=N long=I,I,... long_loops=N window=N: so many items in this order, of which these are
/// longer, with so many unanswered at a time. "ns": all of them; "short_p99": of the others, from when they were
/// handed over.
[[nodiscard]] answer skew(const request& asked);

/// workers=N: "first_ns", from the start of a pool to its first answer. While the pool is idle it says "ready", and
/// waits for the end of its input.
[[nodiscard]] answer footprint(const request& asked);

/// fault=crash|hang others=N workers=N for_ms=N: what such a call costs its caller and N other calls. fault=storm: how
/// many crashes a second are survived.
[[nodiscard]] answer faults(const request& asked);

/// folder=F items=N done=0|1: a list whose results are kept in F, and whether they are there already.
[[nodiscard]] answer resume(const request& asked);

/// pings=N per_second=N workers=N heavy_us=N load_percent=N: an HTTP service with a light route, asked so often, and a
/// heavy one, asked so often as takes a part of what the workers can do. Nanoseconds from when a request was due.
[[nodiscard]] answer service(const request& asked);

/// of=calls|tasks|workers most=N for_ms=N cpu=N peer_cpu=N: what a call takes, in ns, where there are so many. Of
/// calls: at each power of ten from 1,000, after a warm-up, of those since the one before it, "mean_N", and "middle_N"
/// of each 1,000 of them; and the memory of the processes, "host_kib_N" and so on.
[[nodiscard]] answer growth(const request& asked);

}  // namespace compare

// The alternation and its repeats. See harness.hpp.

#include "harness.hpp"

#include <benchmark/benchmark.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <iostream>
#include <map>
#include <thread>
#include <utility>

#include "limits/ping_pong.hpp"
#include "process_tree.hpp"

namespace selvage::bench {
namespace {

constexpr std::size_t noise_samples = 200;  // 2 ms where it is quiet

// Where the two processes have but one processor a round trip takes milliseconds: one batch is enough to see that.
double ping_pong_ns(limits::ping_pong& raw) {
  const double first = raw.sample(1).front();
  return first > 100 * noisy_ping_pong_ns ? first : median(raw.sample(noise_samples));
}

// Processor time of this process and all below it, while somebody watches.
class gap_meter {
 public:
  gap_meter() : pids_(tree_of(::getpid())) {}

  void begin() noexcept {
    begin_ns_ = limits::now_ns();
    begin_cpu_ns_ = cpu_ns(pids_);
  }
  void end() noexcept {
    used_ns_ += cpu_ns(pids_) - begin_cpu_ns_;
    passed_ns_ += limits::now_ns() - begin_ns_;
  }
  [[nodiscard]] double busy() const noexcept {
    return passed_ns_ == 0 ? 0 : static_cast<double>(used_ns_) / static_cast<double>(passed_ns_);
  }

 private:
  std::vector<pid_t> pids_;
  std::uint64_t begin_ns_ = 0;
  std::uint64_t begin_cpu_ns_ = 0;
  std::uint64_t passed_ns_ = 0;
  std::uint64_t used_ns_ = 0;
};

void append(std::vector<double>& to, const std::vector<double>& more) { to.insert(to.end(), more.begin(), more.end()); }

// A gap, then the samples of one side.
std::vector<double> take_turn(const sampler& side, const rhythm& how, bool side_is_gap, gap_meter& meter) {
  if (how.gap.count() > 0) {
    meter.begin();
    std::this_thread::sleep_for(how.gap);
    meter.end();
  }
  if (!side_is_gap) return side(how.samples);
  meter.begin();
  std::vector<double> samples = side(how.samples);
  meter.end();
  return samples;
}

void take_turns(const sides& pair, const rhythm& how, repeat& to) {
  gap_meter meter;
  std::vector<double> figures;
  std::vector<double> limits;
  for (std::size_t turn = 0; turn < how.turns; ++turn) {
    append(figures, take_turn(pair.figure, how, how.figure_is_gap, meter));
    if (pair.limit) append(limits, take_turn(pair.limit, how, false, meter));
  }
  to.value = median(figures);
  if (pair.limit) to.limit = median(limits);
  if (how.gap.count() > 0) to.gap_cpu = meter.busy();
}

// Collects what each run of Google Benchmark counted; the table is ours, for it has a limit beside each figure.
class collector final : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context& /*context*/) override { return true; }

  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.run_type != Run::RT_Iteration || !run.counters.contains("value")) continue;
      const auto counter = [&](const char* name) -> std::optional<double> {
        const auto found = run.counters.find(name);
        return found == run.counters.end() ? std::nullopt : std::optional<double>(found->second.value);
      };
      repeats_[run.run_name.function_name].push_back(
          {.value = *counter("value"),
           .limit = counter("limit"),
           .gap_cpu = counter("gap_cpu"),
           .ping_pongs = {*counter("ping_pong_before"), *counter("ping_pong_after")}});
    }
  }

  [[nodiscard]] const std::vector<repeat>& of(const std::string& name) { return repeats_[name]; }

 private:
  std::map<std::string, std::vector<repeat>> repeats_;
};

// One repeat as Google Benchmark sees it: one iteration whose results are counters.
void run_repeat(benchmark::State& state, const entry& what, const settings& as, limits::ping_pong& noise,
                std::string& failure) {
  for ([[maybe_unused]] auto iteration : state) {
    if (!failure.empty()) {
      state.SkipWithError(failure.c_str());
      return;
    }
    try {
      const std::uint64_t begin = limits::now_ns();
      const repeat measured = alternate(what, as, noise);
      state.SetIterationTime(static_cast<double>(limits::now_ns() - begin) / 1e9);
      state.counters["value"] = measured.value;
      if (measured.limit) state.counters["limit"] = *measured.limit;
      if (measured.gap_cpu) state.counters["gap_cpu"] = *measured.gap_cpu;
      state.counters["ping_pong_before"] = measured.ping_pongs.front();
      state.counters["ping_pong_after"] = measured.ping_pongs.back();
    } catch (const std::exception& error) {
      failure = error.what();
      state.SkipWithError(failure.c_str());
      return;
    }
  }
}

}  // namespace

repeat alternate(const entry& what, const settings& as, limits::ping_pong& noise) {
  repeat measured;
  measured.ping_pongs.push_back(ping_pong_ns(noise));
  {
    const sides pair = what.open(as);
    if (what.rhythm.warm_up) {
      (void)pair.figure(what.rhythm.samples);
      if (pair.limit) (void)pair.limit(what.rhythm.samples);
    }
    take_turns(pair, what.rhythm, measured);
  }  // closed before the second look at the noise, which is to be that of others
  measured.ping_pongs.push_back(ping_pong_ns(noise));
  return measured;
}

std::vector<row> measure(const suite& benchmarks, const settings& as) {
  limits::ping_pong noise(as.peer_cpu);
  std::map<std::string, std::string> failures;
  std::vector<const entry*> chosen;
  for (const entry& each : benchmarks.entries()) {
    if (!as.only.empty() && std::ranges::find(as.only, each.name) == as.only.end()) continue;
    chosen.push_back(&each);
    std::string& failure = failures[each.name];
    benchmark::RegisterBenchmark(each.name.c_str(),
                                 [&, begun = false](benchmark::State& state) mutable {
                                   if (!std::exchange(begun, true)) std::cerr << "measuring " << each.name << std::endl;
                                   run_repeat(state, each, as, noise, failure);
                                 })
        ->Iterations(1)
        ->Repetitions(static_cast<int>(std::min(as.repeats, each.rhythm.most_repeats)))
        ->UseManualTime();
  }

  collector results;
  benchmark::RunSpecifiedBenchmarks(&results, ".*");
  std::vector<row> rows;
  for (const entry* each : chosen) {
    rows.push_back(summarise(*each, results.of(each->name)));
    rows.back().failure = failures[each->name];
    if (!rows.back().failure.empty()) rows.back().value.reset();
  }
  return rows;
}

}  // namespace selvage::bench

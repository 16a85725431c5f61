// selvage_bench: measures Selvage's figures and their limits, prints the table, writes the JSON. See --help.

#include <sched.h>

#include <exception>
#include <fstream>
#include <iostream>
#include <stdexcept>

#include "groups.hpp"
#include "harness.hpp"
#include "limits/process.hpp"
#include "options.hpp"

namespace {

using namespace selvage::bench;

suite make_suite(const settings& as) {
  suite benchmarks;
  if (as.limits) {
    add_limits(benchmarks);
    return benchmarks;
  }
  add_latency(benchmarks);
  add_throughput(benchmarks);
  add_bulk(benchmarks);
  add_lifecycle(benchmarks);
  add_idle(benchmarks);
  add_break_even(benchmarks);
  add_runs(benchmarks);
  add_workloads(benchmarks);
  return benchmarks;
}

// Chooses the first two processors that this process may use, and takes the first.
void pin_host(settings& as) {
  cpu_set_t allowed;
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0 || CPU_COUNT(&allowed) < 2) {
    throw std::runtime_error("--pin needs two processors");
  }
  for (int cpu = 0; as.peer_cpu < 0; ++cpu) {
    if (!CPU_ISSET(static_cast<std::size_t>(cpu), &allowed)) continue;
    (as.host_cpu < 0 ? as.host_cpu : as.peer_cpu) = cpu;
  }
  limits::pin(as.host_cpu);
}

// Returns: the exit status.
int run(settings& as) {
  const suite benchmarks = make_suite(as);
  if (const std::string wrong = check_names(as, benchmarks); !wrong.empty()) {
    std::cerr << "selvage_bench: " << wrong << '\n';
    return 2;
  }
  if (as.list) {
    for (const entry& each : benchmarks.entries()) std::cout << each.name << '\n';
    return 0;
  }
  std::ofstream json;  // opened first: a path that cannot be written should not cost a minute
  if (!as.json.empty()) {
    json.open(as.json);
    if (!json) throw std::runtime_error("cannot write " + as.json);
  }
  if (as.pin) pin_host(as);

  const std::vector<row> rows = measure(benchmarks, as);
  print_table(std::cout, rows);
  bool failed = false;
  for (const row& each : rows) failed = failed || judge(each) == verdict::failed;
  if (!as.json.empty()) {
    print_json(json, rows);
    if (!json.flush()) throw std::runtime_error("cannot write " + as.json);
  }
  return failed ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) try {
  auto parsed = parse_options(argc, argv);
  if (!parsed) {
    std::cerr << "selvage_bench: " << parsed.error() << '\n';
    return 2;
  }
  if (parsed->help) {
    std::cout << usage();
    return 0;
  }
  return run(*parsed);
} catch (const std::exception& error) {
  std::cerr << "selvage_bench: " << error.what() << '\n';
  return 1;
}

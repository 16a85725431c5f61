#pragma once
// The groups of benchmarks: each adds its own to a suite, in the order of the table that they are printed in.
//
// Called by: main.cpp. Never: builds a pool before the harness opens the benchmark.

#include "suite.hpp"

namespace selvage::bench {

void add_latency(suite& to);     ///< call_round_trip, idle_wake, two_workers_round_trip, strict_round_trip, late_result
void add_throughput(suite& to);  ///< in_flight_64
void add_bulk(suite& to);        ///< echo_1mib_bytes, echo_1mib_string, echo_1mib_in_place
void add_lifecycle(suite& to);   ///< crash_recovery, strict_recovery, worker_start, strict_start,
                                 ///< pool_lifetime
void add_idle(suite& to);        ///< idle_cpu, worker_memory
void add_break_even(suite& to);  ///< break_even_two_workers
void add_runs(suite& to);        ///< run_item, stored_run, resume_skip
void add_workloads(suite& to);   ///< fan_out_*, cheap_transform, keyed_resume, command_against_*, native_item
void add_limits(suite& to);      ///< the limits by themselves, for --limits

}  // namespace selvage::bench

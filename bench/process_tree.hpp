#pragma once
// What a process and its descendants use: processor time, their own memory.
//
// Called by: the harness for the gaps of the wake benchmarks; the idle benchmarks. Never: signals or waits for a
// process.

#include <sys/types.h>

#include <cstdint>
#include <string_view>
#include <vector>

namespace selvage::bench {

/// The process, its children, their children and so on, as /proc shows them now.
[[nodiscard]] std::vector<pid_t> tree_of(pid_t root);

/// Processor time used so far by these processes, all threads of each. One that is gone counts nothing.
/// Source: clock_getcpuclockid(3); nanoseconds, where /proc/PID/stat has ticks of 10 ms.
[[nodiscard]] std::uint64_t cpu_ns(const std::vector<pid_t>& pids);

/// The bytes after "Pss_Anon:" in the text of a /proc/PID/smaps_rollup: memory of the process itself, its part of
/// what it shares with copy-on-write relatives included. Throws std::runtime_error where the text has no such line.
[[nodiscard]] std::uint64_t pss_anon_bytes(std::string_view smaps_rollup);

}  // namespace selvage::bench

#pragma once
// Measures a suite: figure and limit alternate in this process, Google Benchmark repeats each pair and hands over the
// runs.
//
// Called by: main.cpp, once. Never: decides whether a goal was reached; see report.hpp.

#include <vector>

#include "report.hpp"
#include "suite.hpp"

namespace limits {
class ping_pong;
}

namespace selvage::bench {

/// One repeat: figure and limit in turns, a raw ping-pong before and after. Throws what the samplers throw.
[[nodiscard]] repeat alternate(const entry& what, const settings& as, limits::ping_pong& noise);

/// Measures what the settings select, in order; each name goes to standard error as it begins. A benchmark that
/// throws has a row with its failure. Call it once in a process: Google Benchmark keeps what is registered.
[[nodiscard]] std::vector<row> measure(const suite& benchmarks, const settings& as);

}  // namespace selvage::bench

#pragma once
// A pool's workers on one processor. Called by: tiny.cpp, bulk.cpp.

#include <selvage/selvage.hpp>

#include "limits/process.hpp"

namespace compare {

/// `cpu`: -1 for any.
inline void pin_workers(const selvage::pool& pool, int cpu) {
  for (const auto& lane : pool.stats().lanes) limits::pin(cpu, lane.worker_pid);
}

}  // namespace compare

#pragma once
// From a forked process to a worker that is ready: one checklist, in boot.cpp.
//
// Called by: worker/worker.cpp, once. Never: runs a task, or touches the response region before the host has opened it.

#include <optional>

#include "shm/lane.hpp"
#include "worker/lane_window.hpp"
#include "worker/worker.hpp"

namespace selvage::worker {

struct booted {
  lane_window window;
  shm::worker_lane lane;
};

/// Returns: when the lane is open and the worker has said that it is ready; nothing where it is told to retire
/// before that.
/// Errors: whatever a step or the initializer throws: the worker is then of no use.
[[nodiscard]] std::optional<booted> boot(const seat& place, const settings& given);

}  // namespace selvage::worker

#pragma once
// One look at what a lane's host and worker say, taken while both may be writing: what deadlines.hpp judges.
//
// Called by: ward.cpp. Never: writes, waits, or believes a slot that the host says is free.

#include "shm/lane.hpp"
#include "supervisor/deadlines.hpp"

namespace selvage::supervisor {

/// Consistent per slot, not across slots, unless the worker stands still.
[[nodiscard]] lane_look look_at(const shm::request_view& request, const shm::response_view& response) noexcept;

}  // namespace selvage::supervisor

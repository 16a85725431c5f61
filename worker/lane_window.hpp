#pragma once
// A worker's lane in its address space: request region (read-only), response region (read-write) and the
// supervisor's words for this lane (read-only), in one naturally aligned window of a power of two, so that a filter
// compares its bounds cheaply and nothing else is ever mapped between them.
//
// Called by: worker/boot.cpp. Never: maps a page of another lane, or unmaps (the window lives as long as the process).

#include "shm/lane.hpp"
#include "shm/segment.hpp"
#include "worker/baseline_filter.hpp"

namespace selvage::worker {

struct lane_window {
  address_range addresses;
  shm::request_view request;
  shm::response_view response;
  const shm::supervisor_words* orders;
};

/// Errors: std::system_error where the address space does not hold the window.
[[nodiscard]] lane_window map_lane(const shm::geometry& shape, unsigned lane, int read_write_fd, int read_only_fd);

/// Makes the window's mappings final: no munmap, mremap, mprotect or replacement. Kernels before 6.10 have no
/// mseal(2): the rights of the descriptors and the baseline filter then stand alone.
void seal(const lane_window& window);

}  // namespace selvage::worker

#pragma once
// The one place where a pool's options are checked and their defaults filled in.

#include <cstddef>

#include <selvage/options.hpp>

#include "shm/arena.hpp"
#include "shm/segment.hpp"

namespace selvage::host {

/// Returns the options with every 0 that means "choose" replaced. Errors: selvage::error invalid_options, naming the
/// field;
/// too_many_tasks.
[[nodiscard]] pool_options checked(pool_options given, std::size_t tasks);

/// Requires: checked options.
[[nodiscard]] shm::geometry geometry_of(const pool_options& options) noexcept;
[[nodiscard]] shm::arena::limits arena_limits(const pool_options& options) noexcept;

}  // namespace selvage::host

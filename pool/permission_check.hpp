#pragma once
// From the permissions that a program wrote to those that its workers are started with: the default resolved, paths
// made absolute, variables given their values, and whatever cannot be granted or enforced refused.
//
// Called by: pool/options.cpp, once per pool. Never: seals anything.

#include <string_view>

#include <selvage/options.hpp>

#include "base/limits.hpp"

namespace selvage::host {

/// Of a worker whose permissions do not say how many threads it may have. A program that forks is not counted unless
/// that was asked for: a fork that a signal interrupts before it was looked at is EINTR, which few programs expect.
inline constexpr unsigned threads_of_strict_workers = 1'000;  ///< as permissions::threads says

[[nodiscard]] inline unsigned threads_by_default(const permissions::grants& granted) noexcept {
  const bool counted = granted.from == permissions::foundation::strict && granted.run.empty();
  return counted ? threads_of_strict_workers : base::any_number_of_threads;
}

/// Errors: selvage::error invalid_options names the grant; sandbox_unavailable names what this kernel lacks.
/// Warns on standard error, as advice, where a granted folder holds names such as .git and .env.
[[nodiscard]] permissions resolved_permissions(const pool_options& given);

/// Those of one task, resolved on top of its pool's, which are resolved. Errors: invalid_options names the task and the
/// grant that is more than the pool's; sandbox_unavailable.
[[nodiscard]] permissions narrowed_permissions(const pool_options& pool, const permissions& wanted,
                                               std::string_view task);

}  // namespace selvage::host

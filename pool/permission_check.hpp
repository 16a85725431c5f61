#pragma once
// From the permissions that a program wrote to those that its workers are started with: the default resolved, paths
// made absolute, variables given their values, and whatever cannot be granted or enforced refused.
//
// Called by: pool/options.cpp, once per pool. Never: seals anything.

#include <string_view>

#include <selvage/options.hpp>

namespace selvage::host {

/// Of a strict worker whose permissions do not say.
inline constexpr unsigned threads_of_strict_workers = 1'000;  // as permissions::threads says

/// Errors: selvage::error invalid_options names the grant; sandbox_unavailable names what this kernel lacks.
/// Warns on standard error, as advice, where a granted folder holds names such as .git and .env.
[[nodiscard]] permissions resolved_permissions(const pool_options& given);

/// Those of one task, resolved on top of its pool's, which are resolved. Errors: invalid_options names the task and the
/// grant that is more than the pool's; sandbox_unavailable.
[[nodiscard]] permissions narrowed_permissions(const pool_options& pool, const permissions& wanted,
                                               std::string_view task);

}  // namespace selvage::host

#pragma once
// From the permissions that a program wrote to those that its workers are started with: the default resolved, paths
// made absolute, variables given their values, and whatever cannot be granted or enforced refused.
//
// Called by: pool/options.cpp, once per pool. Never: seals anything.

#include <selvage/options.hpp>

namespace selvage::host {

/// Errors: selvage::error invalid_options names the grant; sandbox_unavailable names what this kernel lacks.
/// Warns on standard error, as advice, where a granted folder holds names such as .git and .env.
[[nodiscard]] permissions resolved_permissions(const pool_options& given);

}  // namespace selvage::host

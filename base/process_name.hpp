#pragma once
// The name of a pool's process, as ps and top show it. Called by: supervisor/boot.cpp, worker/boot.cpp.

#include <algorithm>
#include <string>
#include <string_view>

namespace selvage::base {

/// The kernel keeps 15 characters: the pool's name is cut, never the role. Source: prctl(2), PR_SET_NAME.
[[nodiscard]] inline std::string process_name(std::string_view pool, std::string_view role) {
  constexpr std::size_t kept = 15;
  return std::string(pool.substr(0, kept - std::min(kept, role.size()))) + std::string(role);
}

}  // namespace selvage::base

#pragma once
// Figures of /proc files that have a field a line, "VmData:  1234 kB", however long other lines are: a process in some
// hundred groups has a status of more than a page. Never: throws, or allocates.

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>

namespace selvage::base {

/// The sum in bytes of those fields; one that is missing counts nothing. `fields`: with their colons. Nothing where the
/// file cannot be read, or has none of them. Cost: about 20 us for a status. Source: proc_pid_status(5)
[[nodiscard]] std::optional<std::uint64_t> proc_bytes(const char* path,
                                                      std::initializer_list<std::string_view> fields) noexcept;

}  // namespace selvage::base

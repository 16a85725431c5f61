#pragma once
// Whether the machine's OOM killer has killed something. It leaves no mark on its victim: a SIGKILL is a SIGKILL. But
// the kernel counts what it kills, in the whole machine.
//
// Called by: supervisor.cpp at its boot, ward_death.cpp where a SIGKILL that nobody here has sent ended a worker.
// Never: says who was killed.

#include <cstdint>
#include <optional>
#include <string_view>

namespace selvage::supervisor {

/// The line "oom_kill N" of /proc/vmstat's text. Source: proc(5), Linux 4.13
[[nodiscard]] std::optional<std::uint64_t> oom_kills_in(std::string_view vmstat) noexcept;

/// So far, since the machine was booted; 0 where the kernel does not say. Cost: some 50 us.
[[nodiscard]] std::uint64_t oom_kills() noexcept;

/// More have been counted than `seen`, which is brought up to date.
[[nodiscard]] bool oom_killer_was_at_work(std::uint64_t& seen) noexcept;

}  // namespace selvage::supervisor

// The sums behind recycling by age and by memory. Called by: ward.cpp. Never: retires anybody itself.

#include "supervisor/recycle_policy.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/clock.hpp"
#include "supervisor/process_stat.hpp"

namespace selvage::supervisor {

std::uint64_t age_limit_ns(const recycle_policy& policy, double chance) noexcept {
  if (policy.age <= std::chrono::nanoseconds(0)) return base::never_ns;
  const double factor = 1.0 + std::clamp(policy.jitter, 0.0, 1.0) * (2.0 * chance - 1.0);
  return std::max<std::uint64_t>(1, static_cast<std::uint64_t>(static_cast<double>(policy.age.count()) * factor));
}

recycle_need recycle_now(const recycle_policy& policy, std::uint64_t age_ns, std::uint64_t age_limit_ns,
                         std::uint64_t resident_bytes) noexcept {
  if (policy.resident_bytes != 0 && resident_bytes > policy.resident_bytes) {
    return {shm::recycle_reason::resident, resident_bytes > far_beyond(policy.resident_bytes)};
  }
  if (age_ns >= age_limit_ns) return {shm::recycle_reason::age, age_ns >= far_beyond(age_limit_ns)};
  return {};
}

std::optional<std::uint64_t> private_resident_bytes(int pid) noexcept {
  proc_text text;
  unsigned long size = 0, resident = 0, shared = 0;
  if (std::sscanf(read_proc(pid, "statm", text).data(), "%lu %lu %lu", &size, &resident, &shared) != 3)
    return std::nullopt;
  return (resident - std::min(resident, shared)) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace selvage::supervisor

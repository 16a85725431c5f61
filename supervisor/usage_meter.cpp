// See usage_meter.hpp.

#include "supervisor/usage_meter.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <initializer_list>
#include <string_view>

#include "base/clock.hpp"
#include "base/proc_fields.hpp"
#include "supervisor/process_stat.hpp"

namespace selvage::supervisor {
namespace {

constexpr std::uint64_t idle_pause_ns = 1'000'000'000;
constexpr std::uint64_t still_young_ns = 1'000'000'000;
constexpr std::uint64_t rest_per_walk = 20;

std::optional<std::uint64_t> bytes_of(int pid, const char* file,
                                      std::initializer_list<std::string_view> fields) noexcept {
  std::array<char, 48> path;
  std::snprintf(path.data(), path.size(), "/proc/%d/%s", pid, file);
  return base::proc_bytes(path.data(), fields);
}

/// Each page divided by how many have it. Nothing where we may not look: of others than root, at what must not be
/// dumped. Cost: 1 ms for 100 MiB. Source: proc_pid_smaps_rollup(5)
std::optional<std::uint64_t> proportional_bytes(int pid) noexcept {
  return bytes_of(pid, "smaps_rollup", {"Pss_Anon:", "SwapPss:"});
}

/// Both run in the same memory: between vfork(2) and exec. Source: kcmp(2)
bool have_one_memory(int one, int other) noexcept {
  constexpr int kcmp_vm = 1;
  return ::syscall(SYS_kcmp, one, other, kcmp_vm, 0, 0) == 0;
}

std::uint64_t since_boot_ns() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace

std::uint64_t private_bytes(int pid) noexcept { return bytes_of(pid, "status", {"RssAnon:", "VmSwap:"}).value_or(0); }

void usage_meter::begin(std::uint64_t now_ns) noexcept {
  born_with_bytes_ = limits_.memory_bytes == 0 ? 0 : private_bytes(::getpid());
  used_ns_ = 0;
  walk_due_ns_ = 0;
  looked_ns_ = now_ns;
  look_due_ns_ = base::saturating_add(now_ns, limits_.shortest_use_ns());
}

const std::vector<int>& usage_meter::family_of(int worker) {
  tree_.list_family_of(worker, limits_, family_);
  return family_;
}

std::uint64_t usage_meter::processor_time_ns(int worker, bool exactly) {
  if (!limits_.may_fork) return base::processor_time_ns(worker);
  const std::uint64_t start = base::now_ns();
  if (!exactly && start < walk_due_ns_) return used_ns_;
  std::uint64_t used = 0;
  for (const int each : family_of(worker))
    used += base::processor_time_ns(each) + stat_of(each).waited_for_ticks * tick_ns();
  used_ns_ = std::max(used_ns_, used);
  const std::uint64_t end = base::now_ns();
  walk_due_ns_ = end + rest_per_walk * (end - start);
  return used_ns_;
}

// A process that was forked holds what the worker was born with; one that has executed a program has only its own.
usage_meter::figures usage_meter::figures_of(int worker) {
  figures found;
  for (const int each : family_of(worker)) {
    const process_stat its =
        each == worker && !limits_.may_fork ? process_stat{.has_not_executed = true} : stat_of(each);
    found.threads += its.threads;
    if (limits_.memory_bytes == 0) continue;
    const std::uint64_t bytes = private_bytes(each);
    found.bytes += bytes - std::min(bytes, its.has_not_executed ? born_with_bytes_ : 0);
  }
  if (found.bytes > most_bytes() && family_.size() > 1) found.bytes = std::min(found.bytes, bytes_shared_once(worker));
  return found;
}

// Of the same family, what forked processes share counted once. It takes longer, so it is not done where all is well.
std::uint64_t usage_meter::bytes_shared_once(int worker) const {
  std::uint64_t bytes = 0, with_what_it_was_born = 0;
  const std::uint64_t now_ns = since_boot_ns();
  for (const int each : family_) {
    const process_stat its = stat_of(each);
    const bool has_parent = each != worker && std::find(family_.begin(), family_.end(), its.parent) != family_.end();
    if (its.has_not_executed && has_parent && have_one_memory(each, its.parent)) continue;
    if (const auto proportional = proportional_bytes(each)) {
      (its.has_not_executed ? with_what_it_was_born : bytes) += *proportional;
      continue;
    }
    // It may share all that its parent has, and be about to execute a program.
    const bool is_young = now_ns < its.started_ns + still_young_ns;
    const std::uint64_t all = private_bytes(each);
    const std::uint64_t most_shared = has_parent && is_young ? private_bytes(its.parent) : born_with_bytes_;
    bytes += all - std::min(all, its.has_not_executed ? most_shared : 0);
  }
  return bytes + with_what_it_was_born - std::min(with_what_it_was_born, born_with_bytes_);
}

std::uint64_t usage_meter::most_bytes() const noexcept {
  return base::saturating_add(limits_.memory_bytes, memory_slack_bytes + limits_.stack_bytes);
}

std::optional<usage_meter::excess> usage_meter::look(int worker, std::uint64_t now_ns, bool busy) {
  if (now_ns < next_look_ns(busy)) return std::nullopt;
  const figures found = figures_of(worker);
  looked_ns_ = base::now_ns();
  const std::uint64_t most = most_bytes();
  if (limits_.memory_bytes != 0 && found.bytes > most) return excess{shm::verdict_reason::memory_limit, found.bytes};
  if (limits_.threads_seen != 0 && found.threads > limits_.threads_seen + 1)
    return excess{shm::verdict_reason::thread_limit, found.threads - 1};
  const std::uint64_t walked_ns = looked_ns_ - std::min(now_ns, looked_ns_);
  const std::uint64_t left = most - found.bytes;
  look_due_ns_ = base::saturating_add(looked_ns_, std::max(limits_.shortest_use_ns(left), rest_per_walk * walked_ns));
  return std::nullopt;
}

std::uint64_t usage_meter::next_look_ns(bool busy) const noexcept {
  if (!limits_.is_looked_at()) return base::never_ns;
  return busy ? look_due_ns_ : std::max(look_due_ns_, looked_ns_ + idle_pause_ns);
}

}  // namespace selvage::supervisor

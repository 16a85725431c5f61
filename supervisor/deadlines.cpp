// The judgement on a lane's calls. Called by: ward.cpp. Never: reads a clock or shared memory.

#include "supervisor/deadlines.hpp"

#include <algorithm>

#include "base/clock.hpp"
#include "shm/bits.hpp"

namespace selvage::supervisor {
namespace {

// No honest call is overtaken more often than by every other slot of its lane.
constexpr std::uint8_t most_charges = shm::slots_per_lane;
// A header that was rewritten while it was read belongs to a call that was posted this instant.
constexpr std::uint64_t torn_header_retry_ns = 1'000'000;
constexpr std::uint64_t shortest_cpu_look_ns = 1'000'000;
constexpr unsigned no_slot = shm::slots_per_lane;

// The waiting call that an honest worker would start next: the oldest that has a limit.
unsigned next_in_line(const lane_look& look) noexcept {
  unsigned oldest = no_slot;
  shm::for_each_from(look.known & ~look.started, 0, [&](unsigned slot) {
    const call_look& call = look.calls[slot];
    if (call.limit_ns == 0) return;
    if (oldest == no_slot || call.posted_at_ns < look.calls[oldest].posted_at_ns) oldest = slot;
  });
  return oldest;
}

}  // namespace

outlook lane_deadlines::judge(const lane_look& look, std::uint64_t now_ns, const processor_time& cpu) noexcept {
  outlook found{base::never_ns, std::nullopt};
  if ((look.in_flight & ~look.known) != 0) found.next_look_ns = base::saturating_add(now_ns, torn_header_retry_ns);
  const bool something_runs = (look.in_flight & look.started) != 0;
  const unsigned next = something_runs ? no_slot : next_in_line(look);

  shm::for_each_from(look.known, 0, [&](unsigned slot) {
    const call_look& call = look.calls[slot];
    memory& own = seen_[slot];
    if (own.call_id != call.call_id || own.posted_at_ns != call.posted_at_ns) {
      own = {.call_id = call.call_id, .posted_at_ns = call.posted_at_ns};
    }
    const auto consider = [&](std::uint64_t due_ns, shm::verdict_reason reason, std::uint64_t cpu_used_ns = 0) {
      if (due_ns > now_ns) {
        found.next_look_ns = std::min(found.next_look_ns, due_ns);
      } else if (!found.late || due_ns < found.late->due_ns) {
        found.late = late_call{slot, call.call_id, due_ns, reason, cpu_used_ns};
      }
    };
    if (call.kill_at_ns != 0) consider(call.kill_at_ns, shm::verdict_reason::aborted);
    if (call.limit_ns == 0) return;

    if (!own.fixed && shm::test(look.started, slot)) {
      fix_start(own, call, look, now_ns, cpu);
    } else if (!own.fixed && slot == next) {
      charge(own, call, look.done, now_ns, cpu);
    } else if (!own.fixed && own.charges < most_charges) {
      own.start_ns = 0;  // it waits its turn
    }
    if (own.start_ns != 0) {
      consider(base::saturating_add(own.start_ns, call.limit_ns), shm::verdict_reason::timed_out);
      if (cpu.limit_ns == 0) return;
      const std::uint64_t used = cpu.used_ns - std::min(own.cpu_base_ns, cpu.used_ns);
      const std::uint64_t left = cpu.limit_ns - std::min(used, cpu.limit_ns);
      consider(left == 0 ? now_ns : base::saturating_add(now_ns, std::max(left / cpu.cores, shortest_cpu_look_ns)),
               shm::verdict_reason::cpu_limit, used);
    } else {
      const std::uint64_t earliest_start = slot == next ? call.posted_at_ns : std::max(call.posted_at_ns, now_ns);
      const std::uint64_t shortest = std::min(call.limit_ns, cpu.shortest_ns());
      found.next_look_ns = std::min(found.next_look_ns, base::saturating_add(earliest_start, shortest));
    }
  });
  return found;
}

void lane_deadlines::fix_start(memory& own, const call_look& call, const lane_look& look, std::uint64_t now_ns,
                               const processor_time& cpu) noexcept {
  const std::uint64_t latest = std::max(call.posted_at_ns, now_ns);
  const std::uint64_t stamp = std::clamp(call.started_at_ns, call.posted_at_ns, latest);
  const std::uint64_t cpu_stamp = std::min(look.cpu_ns, cpu.used_ns);
  const bool charged = own.start_ns != 0 && (own.charge_done == look.done || own.charges >= most_charges);
  own.start_ns = std::max<std::uint64_t>(1, charged ? std::min(own.start_ns, stamp) : stamp);
  own.cpu_base_ns = charged ? std::min(own.cpu_base_ns, cpu_stamp) : cpu_stamp;
  own.fixed = true;
}

void lane_deadlines::charge(memory& own, const call_look& call, std::uint64_t done, std::uint64_t now_ns,
                            const processor_time& cpu) noexcept {
  const std::uint64_t patience = std::min(call.limit_ns, cpu.shortest_ns());
  if (now_ns < base::saturating_add(call.posted_at_ns, patience)) return;
  const bool charged = own.start_ns != 0 && own.charge_done == done;
  if (charged || own.charges >= most_charges) return;
  own.start_ns = std::max<std::uint64_t>(1, now_ns);
  own.cpu_base_ns = cpu.used_ns;
  own.charge_done = done;
  ++own.charges;
}

}  // namespace selvage::supervisor

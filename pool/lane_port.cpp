// Room in a lane, and what the host keeps of its slots: see lane_port.hpp.

#include "pool/lane_port.hpp"

#include <string.h>
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/syscalls.hpp"

namespace selvage::host {
namespace {

/// A run may be late by so much without being longer than was thought: its worker waits where the collector has its
/// processor.
constexpr std::uint64_t preempted_ns = 100'000;

shm::host_lane make_lane(const shm::mapping& request, const shm::mapping& response, shm::fences fences) noexcept {
  return {shm::request_at(request.data()), shm::response_at(response.data()), fences};
}

}  // namespace

lane_port::lane_port(const shm::geometry& shape, const shm::descriptors& segment, unsigned lane_index,
                     const base::limits& its, shm::arena::limits request_arena, shm::fences fences)
    : index(lane_index),
      limits(its),
      shortest_use_ns(
          std::min(its.cpu_ns == 0 ? base::never_ns : its.cpu_ns / base::usable_cores(), its.shortest_use_ns())),
      request_map(segment.read_write.get(), shm::access::read_write, shape.request_offset(lane_index),
                  shape.request_region_bytes()),
      response_map(segment.read_only.get(), shm::access::read_only, shape.response_offset(lane_index),
                   shape.response_region_bytes()),
      lane(make_lane(request_map, response_map, fences)),
      arena(request_arena),
      event_fd(base::make_eventfd()),
      segment_fd_(segment.read_write.get()),
      arena_offset_(shape.request_offset(lane_index) + shm::request_layout::arena),
      response_arena_offset_(shape.response_offset(lane_index) + shm::response_layout::arena),
      response_arena_bytes_(shape.response_arena_bytes) {}

post_result lane_port::make_room(std::size_t bound, room& out) {
  const auto slot = lane.claim();
  if (!slot) return post_result::full;
  out.slot = *slot;
  if (bound <= shm::inline_payload_bytes) {
    out.bytes = lane.header(*slot).payload;
    out.in_arena = false;
    return post_result::posted;
  }
  auto offset = arena.allocate(*slot, bound);
  if (!offset) {
    const auto wanted = arena.growth_for(bound);
    if (wanted && *wanted > arena.bytes_reserved()) {
      if (grow_arena(*wanted, bound)) {
        offset = arena.allocate(*slot, bound);
      } else if (arena.bytes_in_use() == 0) {
        lane.unclaim(*slot);
        return post_result::no_memory;
      }
    }
  }
  if (!offset) {
    lane.unclaim(*slot);
    return post_result::full;
  }
  out.bytes = {lane.request().arena + *offset, bound};
  out.in_arena = true;
  out.offset = *offset;
  return post_result::posted;
}

// To `wanted`, or where there is not so much memory to what holds these bytes in any case. Sets reserve_error.
bool lane_port::grow_arena(std::size_t wanted, std::size_t bound) noexcept {
  const std::size_t have = arena.bytes_reserved();
  const std::size_t least = std::min(wanted, have + (bound + shm::page_bytes - 1) / shm::page_bytes * shm::page_bytes);
  for (const std::size_t size : {wanted, least}) {
    reserve_error = shm::reserve(segment_fd_, arena_offset_ + have, size - have);
    if (reserve_error != 0) continue;
    arena.grow(size);
    return true;
  }
  return false;
}

void lane_port::reserve_whole_arenas() {
  const auto reserve = [this](std::uint64_t offset, std::uint64_t bytes) {
    const int code = shm::reserve(segment_fd_, offset, bytes);
    if (code == 0) return;
    throw error(errc::payload_exhausted, std::string("a fixed arena could not be reserved: ") +
                                             ::strerrordesc_np(code) + "; " + shm::shared_memory_figures(bytes));
  };
  reserve(arena_offset_, arena.bytes_maximum());
  arena.grow(arena.bytes_maximum());
  reserve(response_arena_offset_, response_arena_bytes_);  // the worker finds that it has what it asks for
}

void lane_port::give_up(const room& claimed) noexcept {
  arena.release(claimed.slot);
  lane.unclaim(claimed.slot);
}

void lane_port::forget(unsigned slot) noexcept {
  slot_state& state = slots[slot];
  load_ns -= std::min(load_ns, state.estimate_ns);
  arena.release(slot);
  state = {};
}

void lane_port::reset() noexcept {
  // relaxed: a figure, told by the worker
  if (ready) figures.refusals += lane.refusal().count.load(std::memory_order_relaxed);
  for (slot_state& state : slots) state = {};
  arena.release_all();
  load_ns = 0;
  calls_of_epoch = 0;
  worker_pid = 0;
  ready = retiring = dead = drained = stalled = false;
  unstarted_since_ns = forged_ = 0;
  ready_seen.store(false, std::memory_order_relaxed);  // relaxed: a hint
  lane.reset();
}

void lane_port::count_forged() noexcept {
  if (!ready) return;
  const std::uint64_t forged = lane.forged();
  if (forged != forged_) figures.forged += static_cast<std::uint64_t>(std::popcount(forged & ~forged_));
  forged_ = forged;
}

bool lane_port::readable(std::uint64_t offset, std::uint64_t length) noexcept {
  const std::uint64_t end = offset + length;  // the caller has checked both against the arena
  if (end <= readable_end_) return true;
  const std::uint64_t to = (end + shm::page_bytes - 1) / shm::page_bytes * shm::page_bytes;
  std::byte* const from = response_map.data() + shm::response_layout::arena + readable_end_;
  const int result = base::retry_eintr([&] { return ::madvise(from, to - readable_end_, MADV_POPULATE_READ); });
  if (result != 0) return false;
  readable_end_ = to;
  return true;
}

std::uint64_t lane_port::load_without(std::uint64_t finished) const noexcept {
  std::uint64_t left = load_ns;
  shm::for_each_from(finished, 0, [&](unsigned slot) { left -= std::min(left, slots[slot].estimate_ns); });
  return left;
}

lane_outlook lane_port::outlook(std::uint64_t enough_ns, std::uint64_t now, unsigned asked_for) const noexcept {
  const std::uint64_t begun = lane.started();  // first: of those, some may have finished by the next look
  const std::uint64_t finished = lane.finished();
  const std::uint64_t in_flight = lane.in_flight() & ~finished;
  const std::uint64_t started = begun & in_flight;
  lane_outlook ahead;
  if (in_flight == 0 || shm::several(started)) return ahead;  // of several that have been started, any may be next
  const unsigned first = shm::first_from(in_flight, lane.oldest_from());
  std::uint64_t ran_ns = 0;
  if (started != 0) {
    // relaxed: a hint, and the worker's word
    const std::uint64_t since =
        lane.response(shm::first_from(started, first)).started_at_ns.load(std::memory_order_relaxed);
    ran_ns = now - std::min(now, since);
  }
  const std::uint64_t expected = slots[first].estimate_ns;
  std::uint64_t left = load_without(finished);
  const bool is_overdue = ran_ns >= expected + std::max(expected, preempted_ns);
  ahead.first_ns = is_overdue ? 0 : std::max<std::uint64_t>(1, expected - std::min(ran_ns, expected));
  ahead.dry_ns = left - std::min({ran_ns, expected, left});
  if (ahead.dry_ns < enough_ns) return ahead;
  ahead.early = ahead.there = finished;
  shm::for_each_from(in_flight, first, [&](unsigned slot) {
    left -= std::min(left, slots[slot].estimate_ns);
    if (left >= enough_ns) ahead.early |= shm::bit(slot);
    if (slot == asked_for) ahead.its_end_ns = ahead.dry_ns - std::min(ahead.dry_ns, left);
  });
  if (is_overdue) ahead.early &= ~shm::bit(first);
  return ahead;
}

bool lane_port::view_fits(std::uint64_t offset, std::uint64_t length, std::uint64_t cap) const noexcept {
  if (views >= shm::slots_per_lane / 2) return false;
  std::array<held_bytes, shm::slots_per_lane + 1> held;
  std::size_t count = 0;
  held[count++] = {offset, length};
  for (const held_bytes& view : views_) {
    if (view.length != 0) held[count++] = view;
  }
  std::sort(held.begin(), held.begin() + count, [](const auto& a, const auto& b) { return a.offset < b.offset; });
  std::uint64_t total = 0;
  std::uint64_t from = 0;
  std::uint64_t widest = 0;
  for (std::size_t i = 0; i < count; ++i) {
    widest = std::max(widest, held[i].offset - from);
    total += held[i].length;
    constexpr std::uint64_t grain = detail::payload_alignment;  // as the worker's arena counts
    from = (held[i].offset + held[i].length + grain - 1) / grain * grain;
  }
  widest = std::max(widest, response_arena_bytes_ - std::min(from, response_arena_bytes_));
  return total <= response_arena_bytes_ / 2 && widest >= cap;
}

void lane_port::hold_view(unsigned slot, std::uint64_t offset, std::uint64_t length) noexcept {
  views_[slot] = {offset, length};
  ++views;
}

void lane_port::drop_view(unsigned slot) noexcept {
  views_[slot] = {};
  --views;
}

void lane_port::abandon() noexcept {
  request_map.abandon();
  response_map.abandon();
}

}  // namespace selvage::host

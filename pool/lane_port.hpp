#pragma once
// One worker's lane as the host holds it: the protocol's host side, the request arena, and which call is in which slot.
//
// Called by: pool_core and its parts, always under the pool's lock unless a function says otherwise. Never: decides
// which lane a call goes to (balancer), what an answer means (settle), or what a death means (deaths).

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>

#include <selvage/detail/call_state.hpp>
#include "base/limits.hpp"
#include "base/unique_fd.hpp"
#include "shm/arena.hpp"
#include "shm/lane.hpp"
#include "shm/segment.hpp"

namespace selvage::host {

using call_ptr = detail::call_ref<detail::call_state>;

/// What the pool keeps of a slot's call. Private: the worker cannot falsify it.
struct slot_state {
  call_ptr call;   ///< null: nobody wants the answer (moved on, or settled already)
  call_ptr moved;  ///< taken back on the worker's word that it had not started it: its death counts all the same
  std::uint64_t call_id = 0;
  std::uint64_t sequence = 0;     ///< order of posting in the whole pool
  std::uint64_t estimate_ns = 0;  ///< what the call was expected to take when it was posted
  bool recall_asked = false;      ///< taken back; the answer tells whether it ran
};

/// What is to be expected of a lane.
struct lane_outlook {
  std::uint64_t early = 0;     ///< slots behind whose calls there is work enough
  std::uint64_t there = 0;     ///< those of them that have their answer already
  std::uint64_t first_ns = 0;  ///< until the next answer; 0: the running call takes much longer than was thought
  std::uint64_t dry_ns = 0;    ///< until the last answer
  std::uint64_t its_end_ns = base::never_ns;  ///< until the answer that was asked for, if it is to come
};

struct lane_figures {
  std::uint64_t posted = 0, settled = 0, bad_responses = 0, forged = 0, refusals = 0;
};

/// Why a call could not be posted to a lane just now.
enum class post_result : std::uint8_t {
  posted,
  full,       ///< no slot or no arena room until something finishes
  no_memory,  ///< shared memory could not be reserved although nothing of the arena is in use; errno in reserve_error
};

class lane_port {
 public:
  /// `its`: limits of the worker's class, which outlive this.
  lane_port(const shm::geometry& shape, const shm::descriptors& segment, unsigned index, const base::limits& its,
            shm::arena::limits request_arena, shm::fences fences);

  /// Bytes that are ready to be written to a claimed slot.
  struct room {
    unsigned slot = 0;
    std::span<std::byte> bytes;
    bool in_arena = false;
    std::uint64_t offset = 0;
  };
  /// Claims a slot and `bound` bytes for it, growing the arena where needed. Sets reserve_error for no_memory.
  post_result make_room(std::size_t bound, room& out);
  void give_up(const room& claimed) noexcept;
  /// For arenas that do not grow: both of the lane's. Throws payload_exhausted.
  void reserve_whole_arenas();

  [[nodiscard]] shm::request_view request() const noexcept { return lane.request(); }
  /// Without the slots that views hold: those keep nobody waiting.
  [[nodiscard]] unsigned in_flight_count() const noexcept { return lane.busy_count() - views; }
  /// Expected work of what is in flight and has no answer yet. Reads a word that the worker writes: a cache miss.
  [[nodiscard]] std::uint64_t unfinished_load_ns() const noexcept { return load_without(lane.finished()); }
  /// By the estimates. `early`: what is answered already, too; none where not enough is left or calls are not answered
  /// in their order, and not the one that runs where it takes far longer than was thought: nobody knows its end. A call
  /// that was taken back still counts as work: its turn is over at once, and the last of them is never early.
  /// `asked_for`: a slot, or slots_per_lane.
  [[nodiscard]] lane_outlook outlook(std::uint64_t enough_ns, std::uint64_t now, unsigned asked_for) const noexcept;
  /// The worker of the open epoch is there, is not leaving, and its epoch is not over.
  [[nodiscard]] bool usable() const noexcept { return ready && !retiring && !dead && !stalled; }
  /// Removes the slot's bookkeeping; the slot itself goes back by lane.free or stays held for a view.
  void forget(unsigned slot) noexcept;
  /// Nothing of the old epoch is left.
  void reset() noexcept;
  /// Counts the answers that the worker gave to no call, once each.
  void count_forged() noexcept;
  /// Makes the response bytes [offset, offset + length) safe to read: untouched pages of a full /dev/shm would be
  /// SIGBUS.
  [[nodiscard]] bool readable(std::uint64_t offset, std::uint64_t length) noexcept;
  /// A trusted view may hold these response bytes: views hold half of the slots and of the arena at most, and leave
  /// a gap for `cap` bytes, so that a result of any size finds room while they are held.
  [[nodiscard]] bool view_fits(std::uint64_t offset, std::uint64_t length, std::uint64_t cap) const noexcept;
  void hold_view(unsigned slot, std::uint64_t offset, std::uint64_t length) noexcept;
  void drop_view(unsigned slot) noexcept;
  void abandon() noexcept;

  const unsigned index;
  const base::limits& limits;
  const std::uint64_t shortest_use_ns;  ///< no call can have used up what it may sooner; never_ns: no such limit
  shm::mapping request_map, response_map;
  shm::host_lane lane;
  shm::arena arena;
  std::array<slot_state, shm::slots_per_lane> slots;
  base::unique_fd event_fd;              ///< rings a worker that sleeps in its event loop
  std::uint64_t load_ns = 0;             ///< expected work of what is in flight
  std::uint64_t unstarted_since_ns = 0;  ///< since when nothing that is posted was seen started, 0: not looked
  std::uint64_t calls_of_epoch = 0;
  std::uint64_t calls_until_retire = base::never_ns;
  unsigned views = 0;    ///< slots held by trusted views
  unsigned writers = 0;  ///< threads writing into claimed slots outside the lock
  int reserve_error = 0;
  bool ready = false;                   ///< of the open epoch
  std::atomic<bool> ready_seen{false};  ///< the same, for looks without the lock
  bool retiring = false;
  bool dead = false;                  ///< closed by the supervisor, next epoch not open
  bool drained = false;               ///< dead, and its calls are settled or moved
  bool stalled = false;               ///< runs something long: nothing is posted behind it
  bool failed = false;                ///< no worker will come
  std::uint32_t failed_starts = 0;    ///< seen so far
  std::uint32_t threads_refused = 0;  ///< by the supervisor's count, as seen last
  std::int32_t worker_pid = 0;        ///< of the open epoch; 0: not known yet
  shm::measures in_force;             ///< as the worker said when it was ready, before it had met a task
  lane_figures figures;               ///< `refusals`: of the workers before this one

 private:
  struct held_bytes {
    std::uint64_t offset = 0;
    std::uint64_t length = 0;  // 0: the slot is held by no view
  };

  bool grow_arena(std::size_t wanted, std::size_t bound) noexcept;
  [[nodiscard]] std::uint64_t load_without(std::uint64_t finished) const noexcept;

  std::array<held_bytes, shm::slots_per_lane> views_;  // by slot
  int segment_fd_;
  std::uint64_t arena_offset_;
  std::uint64_t readable_end_ = 0;
  std::uint64_t forged_ = 0;  // slots that were counted already
  std::uint64_t response_arena_offset_;
  std::uint64_t response_arena_bytes_;
};

}  // namespace selvage::host

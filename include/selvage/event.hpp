#pragma once
// The trace hook's events. Set pool_options::on_event to see them; unset, they cost nothing.
//
// Thread-safety: the hook is called on whichever thread of the host sees the event, under the pool's lock: one event at
// a time, and every call into this pool waits for it. It must not throw, block, or call into the pool.

#include <cstdint>
#include <string_view>

#include <selvage/error.hpp>

namespace selvage {

enum class event_kind : std::uint8_t {
  call_posted,          ///< given to a worker (again after a move)
  call_started,         ///< by its worker: told together with the answer or the death, with the time of the start
  call_settled,         ///< its one outcome is known
  worker_started,       ///< ready for calls
  worker_died,          ///< gone; `signal` or `exit_status` says how
  worker_recycled,      ///< retired by order; a signal or exit_status that is not 0 is its finalizer's
  worker_start_failed,  ///< ended before it was ready, or could not be forked; several in a row may be told as one
};

struct event {
  event_kind kind;
  std::uint64_t time_ns = 0;  ///< CLOCK_MONOTONIC; of call_started the worker's word, never later than now
  std::uint64_t call_id = 0;  ///< of a call's events
  std::string_view task{};    ///< of a call's events; valid during the hook
  bool succeeded = false;     ///< call_settled
  errc code{};                ///< call_settled that did not succeed
  unsigned lane = 0;          ///< these three: of the worker that had the call; epoch and pid are 0 where none had it
  std::uint64_t epoch = 0;    ///< which worker of the lane, from 1
  std::int32_t worker_pid = 0;
  std::int32_t signal = 0;
  std::int32_t exit_status = 0;
};

}  // namespace selvage

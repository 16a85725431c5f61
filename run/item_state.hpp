#pragma once
// The life of one item, as a pure table. Called by: scheduler.cpp. Knows no pool, no store and no time.
//
//   waiting --start--> active --succeed, fail--> recording --recorded--> ready --told--> over
//      ^                 |
//      +---pause_over-- paused <--retry
//
// An item that the store knows, or that has run out of time while it was waiting or paused, skips what it need not do;
// one that is given up (the run was stopped) is over without an outcome.

#include <cstdint>
#include <optional>

namespace selvage::run_detail {

enum class item_state : std::uint8_t {
  waiting,    ///< for room in the pool or in its group, or for another item with its key
  paused,     ///< before another attempt
  active,     ///< given to the pool
  recording,  ///< its outcome is known, and on its way to the disk
  ready,      ///< its outcome may be told
  over,
};
inline constexpr unsigned item_states = 6;

enum class item_event : std::uint8_t {
  start,       ///< it is given to the pool
  succeed,     ///< its attempt has a value
  fail,        ///< its last attempt has failed, or its time is over
  retry,       ///< its attempt has failed, and there is another
  pause_over,  ///< it may be tried again
  known,       ///< the store has its outcome
  recorded,    ///< its outcome is durable, or need not be
  told,        ///< the program was told its outcome
  give_up,     ///< nothing will come of it any more
};
inline constexpr unsigned item_events = 9;

/// Nothing where the event cannot happen in that state.
[[nodiscard]] constexpr std::optional<item_state> after(item_state state, item_event event) noexcept {
  using s = item_state;
  using e = item_event;
  switch (state) {
    case s::waiting:
      if (event == e::start) return s::active;
      if (event == e::known) return s::ready;
      if (event == e::fail) return s::recording;
      break;
    case s::paused:
      if (event == e::pause_over) return s::waiting;
      if (event == e::fail) return s::recording;
      break;
    case s::active:
      if (event == e::succeed || event == e::fail) return s::recording;
      if (event == e::retry) return s::paused;
      break;
    case s::recording:
      if (event == e::recorded) return s::ready;
      break;
    case s::ready:
      if (event == e::told) return s::over;
      break;
    case s::over:
      return std::nullopt;
  }
  if (event == e::give_up && state != s::ready) return s::over;
  return std::nullopt;
}

}  // namespace selvage::run_detail

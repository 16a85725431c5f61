#pragma once
// The life of one lane's worker as a table: every state, every event, what follows. Pure.
//
// Called by: ward.cpp, which does what the table says. Never: knows a process, a clock or a reason.

#include <array>
#include <cstddef>
#include <cstdint>

namespace selvage::supervisor {

enum class life : std::uint8_t {
  vacant,       ///< no worker; what to do is being decided
  starting,     ///< forked, not seen ready
  running,      ///< seen ready
  retiring,     ///< told to end between two calls
  dying,        ///< SIGKILL is sent
  burying,      ///< reaped; what it left behind is being killed
  backing_off,  ///< the next fork waits
  failed,       ///< the restart budget is spent
  finished,     ///< the pool closes and nothing of this lane is left
};
inline constexpr std::size_t life_states = 9;

enum class event : std::uint8_t {
  fork_due,  ///< at birth, after a death, or when the backoff is over
  fork_failed,
  seen_ready,
  overdue,    ///< the start, a call, an abort grace or a retirement took too long
  retire,     ///< call count, age, memory
  close,      ///< the pool closes and lets workers finish what they run
  close_now,  ///< the pool closes at once, or the host is gone
  died,
  buried,  ///< its whole tree is gone
  back_off,
  give_up,
};
inline constexpr std::size_t life_events = 11;

enum class action : std::uint8_t {
  none,
  fork,
  tell,  ///< set `retire` and wake it
  kill,
  sweep,  ///< reap it and kill what it left
};

struct step {
  life next;
  action act = action::none;
  friend constexpr bool operator==(const step&, const step&) = default;
};

namespace detail {

// One row a state, one column an event, in the order of the enumerations. `same`: the event means nothing there.
constexpr std::array<std::array<step, life_events>, life_states> make_life_table() {
  using enum life;
  constexpr step born{starting, action::fork}, tell{retiring, action::tell}, kill{dying, action::kill},
      bury{burying, action::sweep}, runs{running}, bare{vacant}, wait{backing_off}, lost{failed}, over{finished};
  constexpr step same{life{0xff}};
  const auto row = [same](life state, std::array<step, life_events> steps) {
    for (step& each : steps) {
      if (each == same) each = {state};
    }
    return steps;
  };
  // clang-format off
  return {
      //                fork_ fork_ seen_                   close_            back_ give_
      //                due   fail  ready over  tire  close now   died  bury  off   up
      row(vacant,      {born, same, same, same, same, over, over, same, same, wait, lost}),
      row(starting,    {same, bare, runs, kill, same, kill, kill, bury, same, same, same}),
      row(running,     {same, same, same, kill, tell, tell, kill, bury, same, same, same}),
      row(retiring,    {same, same, same, kill, same, same, kill, bury, same, same, same}),
      row(dying,       {same, same, same, same, same, same, same, bury, same, same, same}),
      row(burying,     {same, same, same, same, same, same, same, same, bare, same, same}),
      row(backing_off, {born, same, same, same, same, over, over, same, same, same, same}),
      row(failed,      {same, same, same, same, same, over, over, same, same, same, same}),
      row(finished,    {same, same, same, same, same, same, same, same, same, same, same}),
  };
  // clang-format on
}

inline constexpr auto life_table = make_life_table();

}  // namespace detail

[[nodiscard]] constexpr step advance(life state, event what) noexcept {
  return detail::life_table[static_cast<std::size_t>(state)][static_cast<std::size_t>(what)];
}

/// There is a process, or its unreaped remains.
[[nodiscard]] constexpr bool has_worker(life state) noexcept {
  return state == life::starting || state == life::running || state == life::retiring || state == life::dying;
}

}  // namespace selvage::supervisor

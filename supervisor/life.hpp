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
  fork_due,     ///< at birth, after a death, or when the backoff is over
  fork_failed,
  seen_ready,
  overdue,      ///< the start, a call, an abort grace or a retirement took too long
  retire,       ///< call count, age, memory
  close,        ///< the pool closes and lets workers finish what they run
  close_now,    ///< the pool closes at once, or the host is gone
  died,
  buried,       ///< its whole tree is gone
  back_off,
  give_up,
};
inline constexpr std::size_t life_events = 11;

enum class action : std::uint8_t {
  none,
  fork,
  tell,   ///< set `retire` and wake it
  kill,
  sweep,  ///< reap it and kill what it left
};

struct step {
  life next;
  action act = action::none;
  friend constexpr bool operator==(const step&, const step&) = default;
};

namespace detail {

// One row a state, one column an event, in the order of the enumerations. `stay`: the event means nothing there.
constexpr std::array<std::array<step, life_events>, life_states> make_life_table() {
  using enum life;
  constexpr step fork_it{starting, action::fork}, kill_it{dying, action::kill}, tell_it{retiring, action::tell},
      sweep_it{burying, action::sweep}, empty{vacant}, done{finished};
  const auto row = [](life state, std::array<step, life_events> steps) {
    for (step& each : steps) {
      if (each == step{life{0xff}}) each = {state};
    }
    return steps;
  };
  constexpr step stay{life{0xff}};
  return {
      //               fork_due fork_failed seen_ready overdue  retire   close    close_now died      buried back_off       give_up
      row(vacant,      {fork_it, stay,      stay,      stay,    stay,    done,    done,     stay,     stay,  {backing_off}, {failed}}),
      row(starting,    {stay,    empty,     {running}, kill_it, stay,    kill_it, kill_it,  sweep_it, stay,  stay,          stay}),
      row(running,     {stay,    stay,      stay,      kill_it, tell_it, tell_it, kill_it,  sweep_it, stay,  stay,          stay}),
      row(retiring,    {stay,    stay,      stay,      kill_it, stay,    stay,    kill_it,  sweep_it, stay,  stay,          stay}),
      row(dying,       {stay,    stay,      stay,      stay,    stay,    stay,    stay,     sweep_it, stay,  stay,          stay}),
      row(burying,     {stay,    stay,      stay,      stay,    stay,    stay,    stay,     stay,     empty, stay,          stay}),
      row(backing_off, {fork_it, stay,      stay,      stay,    stay,    done,    done,     stay,     stay,  stay,          stay}),
      row(failed,      {stay,    stay,      stay,      stay,    stay,    done,    done,     stay,     stay,  stay,          stay}),
      row(finished,    {stay,    stay,      stay,      stay,    stay,    stay,    stay,     stay,     stay,  stay,          stay}),
  };
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

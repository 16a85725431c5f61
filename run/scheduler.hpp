#pragma once
// The loop of a run: pulls items, starts them, takes their outcomes, has them kept, and tells them, all on one thread,
// which collects for the pool while it waits. Called by: run.cpp. Everything that it holds is bounded by `sizes`.

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <queue>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include <selvage/detail/run_items.hpp>
#include <selvage/store.hpp>

#include "run/groups.hpp"
#include "run/item_state.hpp"
#include "run/pace.hpp"
#include "run/settings.hpp"
#include "run/tally.hpp"

namespace selvage::run_detail {

class scheduler {
 public:
  /// `kept`: null where nothing is.
  scheduler(detail::run_items& items, const detail::run_settings& settings, const sizes& bounds, journal* kept,
            tally& counts);

  /// Returns when the run is over. Throws what a callback of the program's throws.
  void run();

  [[nodiscard]] run_report::ending how() const noexcept { return how_; }
  [[nodiscard]] const std::optional<error>& problem() const noexcept { return problem_; }

 private:
  using clock = std::chrono::steady_clock;
  using time_point = clock::time_point;

  struct item {
    item_state state = item_state::over;
    bool resumed = false;
    bool larger = false;  ///< its next attempt has more memory
    bool has_value = false;
    bool is_first = false;  ///< with its key, of which others may wait for its outcome
    bool is_late = false;   ///< aborted because it took longer than others
    bool is_twin = false;   ///< waited for another item with its key, whose outcome is its own
    unsigned attempts = 0;
    unsigned deaths = 0;
    unsigned place = 0;  ///< of an active one, from 1
    group in_group = 0;
    std::uint64_t ordinal = 0;
    std::uint64_t record = 0;  ///< its number in the journal
    std::uint64_t peak_memory = 0;
    time_point started{};
    time_point deadline = time_point::max();
    std::chrono::nanoseconds run_time{0};
    std::optional<error> problem{};
    std::string key{};
    std::vector<slot> twins{};  ///< items with its key that wait for its outcome
  };
  struct pause {
    time_point due;
    slot of;
    friend bool operator>(const pause& a, const pause& b) { return a.due > b.due; }
  };
  enum class stopping : std::uint8_t { no, soon, now };

  // One thing each turn of the loop does.
  bool pull_items();
  bool start_items();
  bool take_outcomes();
  bool take_durable();
  bool end_pauses();
  void end_late_attempts();
  bool tell_outcomes();
  void look_at_stops();
  void leave_what_is_active();
  void tell_progress(bool at_end);
  void sleep();

  void admit(slot which);
  [[nodiscard]] bool is_known(slot which);
  void start(slot which);
  void settle(slot which, std::optional<error> problem, bool has_value);
  void pause_or_fail(slot which, const error& problem);
  void record(slot which);
  void make_ready(slot which);
  void tell(slot which);
  void give_up(slot which);
  void release(slot which);
  void move(slot which, item_event event);
  void stop(stopping how, run_report::ending ending, std::optional<error> problem);
  void adapt_parallel();
  [[nodiscard]] bool is_over() const;
  [[nodiscard]] bool has_room() const;
  [[nodiscard]] bool waits_for_the_disk() const;

  detail::run_items& typed_;
  const detail::run_settings& settings_;
  const sizes bounds_;
  journal* const journal_;
  tally& counts_;

  std::vector<item> items_;  // by slot
  std::vector<slot> free_;
  groups groups_;
  std::priority_queue<pause, std::vector<pause>, std::greater<>> pauses_;
  std::deque<slot> recording_;                  // by the numbers of their records
  std::deque<slot> order_;                      // pulled and not told, where outcomes are told in order
  std::unordered_map<std::string, slot> keys_;  // of items whose outcome is not durable; only with a journal
  std::size_t held_ = 0;                        // items in any state but ready and over
  std::size_t active_ = 0;
  std::priority_queue<unsigned, std::vector<unsigned>, std::greater<>> places_;  // that were given back
  std::uint64_t next_ordinal_ = 0;
  unsigned parallel_;
  pace pace_;
  time_point late_at_ = time_point::max();  // then an active item may have become late by the time of others
  bool source_ended_ = false;
  stopping stopping_ = stopping::no;
  time_point leave_at_ = time_point::max();  // what is active then is left to the pool
  bool has_left_ = false;
  time_point told_progress_ = clock::now();
  time_point counting_since_ = clock::now();
  unsigned counted_ = 0;
  run_report::ending how_ = run_report::ending::finished;
  std::optional<error> problem_;
  std::minstd_rand random_{std::random_device{}()};
};

}  // namespace selvage::run_detail

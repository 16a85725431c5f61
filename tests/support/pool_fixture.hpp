#pragma once
// The fixture of every test at the pool's level. "Survived" (the top of the list of failures) in one place: each call
// has exactly one outcome, the pool is usable, and once it is gone so is everything that it made.
//
//   TEST_F(pool_survives, a_thing) {
//     selvage::pool pool(watched({.workers = 2}), add);
//     ...
//     expect_usable(pool);
//   }
//
// Called by tests/crash/pool_*_test.cpp only. Never: waits without a bound; a test that hangs is ended by name after 45
// s.

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <selvage/selvage.hpp>

#include "base/clock.hpp"
#include "tests/support/processes.hpp"

namespace selvage::test {

using namespace std::chrono_literals;
using selvage::bytes;  // not gtest's neighbours'
using tests::stop_process;

/// Looks every 200 us until it holds, for 20 s at most.
template <class Condition>
[[nodiscard]] bool holds_in_the_end(Condition&& holds) {
  for (const std::uint64_t limit = base::now_ns() + 20'000'000'000U; base::now_ns() < limit; ::usleep(200)) {
    if (holds()) return true;
  }
  return holds();
}

/// What a process owns that a pool could leak.
struct belongings {
  std::multiset<std::string> descriptors;  ///< by what they refer to
  std::set<int> children;                  ///< zombies too
  std::set<std::string> names;             ///< in /dev/shm, made by this process
  std::set<std::string> sysv;              ///< System V objects, of whomever: nobody else makes any beside a test
  unsigned mappings = 0;                   ///< of a segment
  unsigned threads = 0;

  [[nodiscard]] static belongings now();

  /// What is here now and was not then, in words; empty where nothing is.
  [[nodiscard]] std::string grown_to(const belongings& later) const;
  /// The same, once nothing more goes away; for what ends by itself a moment later.
  [[nodiscard]] std::string leaked() const;
};

/// Counts outcomes: the trace hook of every watched pool.
class ledger {
 public:
  void note(const event& what);
  /// What is wrong, in words; empty where each call had one outcome.
  [[nodiscard]] std::string faults() const;

 private:
  mutable std::mutex lock_;
  std::set<std::uint64_t> posted_;
  std::map<std::uint64_t, unsigned> settled_;
  unsigned refused_ = 0;
};

inline int add_numbers(int a, int b) { return a + b; }
inline const auto add = selvage::task("add", &add_numbers);

/// The code of an outcome; 0 for a value.
template <class T>
[[nodiscard]] errc code_of(const tl::expected<T, error>& outcome) {
  return outcome ? errc{} : outcome.error().code();
}

/// Calls and calls, and none may fail, until each worker has answered something; all but `busy`, which the test knows
/// to be hanging or gone for good. Requires: the pool has the task `add`.
void expect_usable(pool& pool, unsigned busy = 0);

class pool_survives : public ::testing::Test {
 protected:
  pool_survives();
  void TearDown() override;

  /// Options whose pool is watched: each of its calls must have one outcome by the end of the test.
  [[nodiscard]] pool_options watched(pool_options options);
  /// For a test that is known to take long.
  static void allow_seconds(unsigned seconds) { ::alarm(seconds); }

 private:
  belongings before_;
  std::vector<std::shared_ptr<ledger>> books_;
};

/// The processes of this process's one pool.
[[nodiscard]] std::vector<int> worker_pids(const pool& pool);

/// The same, of every lane: waits where the supervisor has not told yet, which it may do after its worker is ready.
[[nodiscard]] std::vector<int> all_worker_pids(const pool& pool);

[[nodiscard]] inline bool is_gone(int pid) { return ::kill(pid, 0) != 0; }

/// Kills every worker and waits until the kernel says that they are gone; the host may not know it yet.
void kill_workers(const pool& pool);

/// Kills every worker and calls `add`, with whatever outcome, until the host has accepted a successor of each: what the
/// dead ones wrote into their lanes is of no consequence then. Requires: the pool has the task `add`.
void replace_workers(pool& pool);

}  // namespace selvage::test

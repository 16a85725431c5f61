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
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
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

  [[nodiscard]] static belongings now() {
    namespace fs = std::filesystem;
    belongings found;
    std::error_code gone;
    std::vector<fs::path> links;  // first, so that the descriptor of the listing itself is closed when they are read
    for (const auto& entry : fs::directory_iterator("/proc/self/fd")) links.push_back(entry.path());
    for (const fs::path& link : links) {
      if (const fs::path target = fs::read_symlink(link, gone); !gone) found.descriptors.insert(target.string());
    }
    for (const auto& task : fs::directory_iterator("/proc/self/task")) {
      std::ifstream file(task.path() / "children");
      for (int pid = 0; file >> pid;) found.children.insert(pid);
      ++found.threads;
    }
    const std::string own = "selvage-" + std::to_string(::getpid()) + "-";
    for (const auto& entry : fs::directory_iterator("/dev/shm", gone)) {
      if (entry.path().filename().string().starts_with(own)) found.names.insert(entry.path().filename());
    }
    for (const std::string kind : {"shm", "sem", "msg"}) {
      std::ifstream file("/proc/sysvipc/" + kind);
      std::string line, key, id;
      for (std::getline(file, line); file >> key >> id; std::getline(file, line)) found.sysv.insert(kind + " " + id);
    }
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);)
      found.mappings += line.find("/dev/shm/selvage-") != line.npos ? 1 : 0;
    return found;
  }

  /// What is here now and was not then, in words; empty where nothing is.
  [[nodiscard]] std::string grown_to(const belongings& later) const {
    std::string words;
    const auto add = [&words](const std::string& what) { words += words.empty() ? what : ", " + what; };
    std::vector<std::string> more;
    std::set_difference(later.descriptors.begin(), later.descriptors.end(), descriptors.begin(), descriptors.end(),
                        std::back_inserter(more));
    for (const std::string& each : more) add("descriptor of " + each);
    for (const int pid : later.children) {
      if (!children.contains(pid)) add("child " + std::to_string(pid));
    }
    for (const std::string& name : later.names) {
      if (!names.contains(name)) add("/dev/shm/" + name);
    }
    for (const std::string& object : later.sysv) {
      if (!sysv.contains(object)) add("System V " + object);
    }
    if (later.mappings > mappings) add(std::to_string(later.mappings - mappings) + " mappings of a segment");
    if (later.threads > threads) add(std::to_string(later.threads - threads) + " threads");
    return words;
  }
  /// The same, once nothing more goes away; for what ends by itself a moment later.
  [[nodiscard]] std::string leaked() const {
    std::string words;
    (void)holds_in_the_end([&] {
      words = grown_to(now());
      return words.empty();
    });
    return words;
  }
};

/// Counts outcomes: the trace hook of every watched pool.
class ledger {
 public:
  void note(const event& what) {
    const std::lock_guard hold(lock_);
    switch (what.kind) {
      case event_kind::call_posted:
        posted_.insert(what.call_id);
        break;
      case event_kind::call_settled:
        ++(what.call_id == 0 ? refused_ : settled_[what.call_id]);
        break;
      default:
        break;
    }
  }
  /// What is wrong, in words; empty where each call had one outcome.
  [[nodiscard]] std::string faults() const {
    const std::lock_guard hold(lock_);
    std::string words;
    for (const auto& [id, times] : settled_) {
      if (times != 1) words += "call " + std::to_string(id) + " was settled " + std::to_string(times) + " times; ";
    }
    for (const std::uint64_t id : posted_) {
      if (!settled_.contains(id)) words += "call " + std::to_string(id) + " was posted and never settled; ";
    }
    return words;
  }

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
inline void expect_usable(pool& pool, unsigned busy = 0) {
  const std::vector<lane_stats> before = pool.stats().lanes;
  const auto every_worker_answers = [&] {
    const std::vector<lane_stats> now = pool.stats().lanes;
    std::size_t answering = 0;
    for (std::size_t k = 0; k < now.size(); ++k) answering += now[k].settled > before[k].settled ? 1 : 0;
    return answering + busy >= now.size();
  };
  EXPECT_TRUE(holds_in_the_end([&] {
    std::vector<future<int>> sums;
    for (int i = 0; i < 100; ++i) sums.push_back(pool.call(add, i, 1000));
    for (int i = 0; i < 100; ++i) {
      const auto sum = sums[static_cast<std::size_t>(i)].result();
      EXPECT_TRUE(sum.has_value()) << sum.error().report();
      if (!sum) return true;
      EXPECT_EQ(*sum, i + 1000);
    }
    return every_worker_answers();
  })) << "some worker never answers";
}

class pool_survives : public ::testing::Test {
 protected:
  pool_survives() {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);  // whatever is orphaned is seen
    static std::string name;
    const auto* const info = ::testing::UnitTest::GetInstance()->current_test_info();
    name = std::string("hangs: ") + info->test_suite_name() + "." + info->name() + "\n";
    hang_text = name.c_str();
    ::signal(SIGALRM, [](int) {
      (void)!::write(STDERR_FILENO, hang_text, std::strlen(hang_text));
      ::signal(SIGABRT, SIG_DFL);
      ::raise(SIGABRT);
    });
    ::alarm(longest_seconds);
    before_ = belongings::now();
  }
  void TearDown() override {
    EXPECT_EQ(before_.leaked(), "");
    for (const auto& book : books_) EXPECT_EQ(book->faults(), "");
    ::alarm(0);
  }

  /// Options whose pool is watched: each of its calls must have one outcome by the end of the test.
  [[nodiscard]] pool_options watched(pool_options options) {
    books_.push_back(std::make_shared<ledger>());
    options.on_event = [book = books_.back(), also = std::move(options.on_event)](const event& what) {
      book->note(what);
      if (also) also(what);
    };
    return options;
  }
  /// For a test that is known to take long.
  static void allow_seconds(unsigned seconds) { ::alarm(seconds); }

 private:
  static constexpr unsigned longest_seconds = 45;
  static inline const char* hang_text = "";

  belongings before_;
  std::vector<std::shared_ptr<ledger>> books_;
};

/// The processes of this process's one pool.
[[nodiscard]] inline std::vector<int> worker_pids(const pool& pool) {
  std::vector<int> pids;
  for (const lane_stats& lane : pool.stats().lanes) {
    if (lane.worker_pid > 0) pids.push_back(lane.worker_pid);
  }
  return pids;
}

/// The same, of every lane: waits where the supervisor has not told yet, which it may do after its worker is ready.
[[nodiscard]] inline std::vector<int> all_worker_pids(const pool& pool) {
  EXPECT_TRUE(holds_in_the_end([&] { return worker_pids(pool).size() == pool.stats().lanes.size(); }));
  return worker_pids(pool);
}

[[nodiscard]] inline bool is_gone(int pid) { return ::kill(pid, 0) != 0; }

/// Kills every worker and waits until the kernel says that they are gone; the host may not know it yet.
inline void kill_workers(const pool& pool) {
  const std::vector<int> pids = worker_pids(pool);
  for (const int pid : pids) ::kill(pid, SIGKILL);
  EXPECT_TRUE(holds_in_the_end([&] { return std::all_of(pids.begin(), pids.end(), &is_gone); }));
}

/// Kills every worker and calls `add`, with whatever outcome, until the host has accepted a successor of each: what the
/// dead ones wrote into their lanes is of no consequence then. Requires: the pool has the task `add`.
inline void replace_workers(pool& pool) {
  // The supervisor may be about to replace one by itself: only where there is a worker does killing it bring another.
  (void)all_worker_pids(pool);
  const std::vector<lane_stats> before = pool.stats().lanes;
  kill_workers(pool);
  EXPECT_TRUE(holds_in_the_end([&] {
    (void)pool.call(add, 1, 1).result();
    const std::vector<lane_stats> now = pool.stats().lanes;
    return std::equal(now.begin(), now.end(), before.begin(), [](const auto& successor, const auto& old) {
      return successor.ready && successor.epoch > old.epoch;
    });
  }));
}

}  // namespace selvage::test

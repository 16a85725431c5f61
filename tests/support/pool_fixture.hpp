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

namespace selvage::test {

using namespace std::chrono_literals;
using selvage::bytes;  // not gtest's neighbours'

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

/// Requires: the pool has the task `add`. Every worker is kept busy more than once.
inline void expect_usable(pool& pool) {
  std::vector<future<int>> sums;
  for (int i = 0; i < 100; ++i) sums.push_back(pool.call(add, i, 1000));
  for (int i = 0; i < 100; ++i) {
    const auto sum = sums[static_cast<std::size_t>(i)].result();
    ASSERT_TRUE(sum.has_value()) << sum.error().report();
    EXPECT_EQ(*sum, i + 1000);
  }
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

/// The same of a pool whose workers all live. The supervisor writes a pid down when its fork returns, by which time the
/// worker may long be ready.
[[nodiscard]] inline std::vector<int> every_worker_pid(const pool& pool) {
  std::vector<int> pids;
  EXPECT_TRUE(holds_in_the_end([&] { return (pids = worker_pids(pool)).size() == pool.stats().lanes.size(); }));
  return pids;
}

[[nodiscard]] inline bool is_gone(int pid) { return ::kill(pid, 0) != 0; }

}  // namespace selvage::test

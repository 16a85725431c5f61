// The fixture of tests at the pool's level: compiled once, for all of them.

#include "tests/support/pool_fixture.hpp"

#include <sys/prctl.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

namespace selvage::test {
namespace {

constexpr unsigned longest_seconds = 45;
const char* hang_text = "";

}  // namespace

belongings belongings::now() {
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

std::string belongings::grown_to(const belongings& later) const {
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

std::string belongings::leaked() const {
  std::string words;
  (void)holds_in_the_end([&] {
    words = grown_to(now());
    return words.empty();
  });
  return words;
}

void ledger::note(const event& what) {
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

std::string ledger::faults() const {
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

void expect_usable(pool& pool, unsigned busy) {
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

pool_survives::pool_survives() {
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

void pool_survives::TearDown() {
  EXPECT_EQ(before_.leaked(), "");
  for (const auto& book : books_) EXPECT_EQ(book->faults(), "");
  ::alarm(0);
}

pool_options pool_survives::watched(pool_options options) {
  books_.push_back(std::make_shared<ledger>());
  options.on_event = [book = books_.back(), also = std::move(options.on_event)](const event& what) {
    book->note(what);
    if (also) also(what);
  };
  return options;
}

std::vector<int> worker_pids(const pool& pool) {
  std::vector<int> pids;
  for (const lane_stats& lane : pool.stats().lanes) {
    if (lane.worker_pid > 0) pids.push_back(lane.worker_pid);
  }
  return pids;
}

std::vector<int> all_worker_pids(const pool& pool) {
  EXPECT_TRUE(holds_in_the_end([&] { return worker_pids(pool).size() == pool.stats().lanes.size(); }));
  return worker_pids(pool);
}

void kill_workers(const pool& pool) {
  const std::vector<int> pids = worker_pids(pool);
  for (const int pid : pids) ::kill(pid, SIGKILL);
  EXPECT_TRUE(holds_in_the_end([&] { return std::all_of(pids.begin(), pids.end(), &is_gone); }));
}

void replace_workers(pool& pool) {
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

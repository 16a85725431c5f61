// FAILURES rows 16 and 17 at the pool's level: workers that ring without end, or go for what is not theirs. The tasks
// run in the mode without a sandbox.
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <atomic>
#include <fstream>

#include "tests/support/pool_fixture.hpp"
#include "tests/victims/victims.hpp"

namespace selvage::test {
namespace {

using pool_reaches = pool_survives;

// ---- FAILURES row 16 --------------------------------------------------------------------------------------------

struct host_usage {
  long switches;
  std::chrono::microseconds processor;

  static host_usage now() {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    return {used.ru_nvcsw + used.ru_nivcsw,
            std::chrono::seconds(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                std::chrono::microseconds(used.ru_utime.tv_usec + used.ru_stime.tv_usec)};
  }
};

/// What two seconds of a storm may cost. A host looks at intervals of a millisecond; one that is woken by each ring is
/// woken a hundred thousand times, and one that spins uses all of the two seconds.
void expect_little(const host_usage& before, const host_usage& after) {
  EXPECT_LT(after.switches - before.switches, 3 * 2000);
  EXPECT_LT(after.processor - before.processor, 1s);
}

// FAILURES row 16
TEST_F(pool_reaches, a_wake_storm_does_not_keep_the_host_awake) {
  const auto storm = selvage::task("storm", &victims::ring_without_end);
  pool pool(watched({.workers = 2}), add, storm);
  auto ringing = pool.call(storm);
  ::usleep(100'000);
  const host_usage before = host_usage::now();
  EXPECT_FALSE(ringing.wait_for(2s));
  expect_little(before, host_usage::now());
  expect_usable(pool, 1);  // by the other worker
  EXPECT_FALSE(ringing.ready());
}

// FAILURES row 16: nor the thread that waits for the sake of callbacks.
TEST_F(pool_reaches, a_wake_storm_does_not_keep_the_host_awake_where_a_callback_waits_for_its_end) {
  const auto storm = selvage::task("storm", &victims::ring_without_end);
  std::atomic<bool> settled{false};
  pool pool(watched({.workers = 2}), add, storm);
  pool.call(storm).then([&](const auto&) { settled = true; });
  ::usleep(100'000);
  const host_usage before = host_usage::now();
  ::usleep(2'000'000);
  expect_little(before, host_usage::now());
  EXPECT_FALSE(settled);
  expect_usable(pool, 1);
  pool.shutdown();
  EXPECT_TRUE(holds_in_the_end([&] { return settled.load(); }));
}

// FAILURES row 16: with answers in between, each of which ends the host's suspicion.
TEST_F(pool_reaches, calls_go_on_beside_a_wake_storm) {
  const auto storm = selvage::task("storm", &victims::ring_without_end);
  const auto nap = selvage::task("nap", [] { ::usleep(1'000); });
  pool pool(watched({.workers = 2}), add, storm, nap);
  auto ringing = pool.call(storm);
  const long before = host_usage::now().switches;
  constexpr int naps = 300;
  for (int i = 0; i < naps; ++i) pool.call(nap).get();
  EXPECT_LT(host_usage::now().switches - before, naps * 60);
  EXPECT_FALSE(ringing.ready());
  expect_usable(pool, 1);
}

// ---- FAILURES row 17 --------------------------------------------------------------------------------------------

struct reach {
  const char* name;
  int (*attempt)();
  std::set<int> errors = {EPERM};
};
void PrintTo(const reach& how, std::ostream* out) { *out << how.name; }

class pool_reach : public pool_survives, public ::testing::WithParamInterface<reach> {};

// FAILURES row 17
TEST_P(pool_reach, is_refused_without_a_sandbox_too) {
  const auto reach = selvage::task("reach", GetParam().attempt);
  pool pool(watched({.workers = 2}), add, reach);
  const auto outcome = pool.call(reach).result();
  ASSERT_TRUE(outcome.has_value()) << outcome.error().report();
  EXPECT_TRUE(GetParam().errors.contains(*outcome)) << ::strerror(*outcome);
  expect_usable(pool);
}

template <int operation>
int requeue() {
  return victims::requeue_a_waiter(operation);
}

const std::vector<reach> reaches = {
    {"write_the_request_region", &victims::write_the_request_region, {EACCES, EPERM, EIO, EFAULT}},
    {"make_the_requests_writable", &victims::make_the_requests_writable, {EACCES, EPERM}},
    {"grow_a_mapping", &victims::grow_a_mapping},
    {"duplicate_a_mapping", &victims::duplicate_a_mapping},
    {"move_a_mapping", &victims::move_a_mapping},
    {"move_a_range_that_reaches_in", &victims::move_a_range_that_reaches_in},
    {"map_over_a_mapping", &victims::map_over_a_mapping},
    {"remap_its_pages", &victims::remap_its_pages},
    {"punch_a_hole", &victims::punch_a_hole},
    {"punch_a_hole_by_process_madvise", &victims::punch_a_hole_by_process_madvise},
    {"hand_down_the_lane", &victims::hand_down_the_lane},
    {"requeue", &requeue<FUTEX_REQUEUE>},
    {"cmp_requeue", &requeue<FUTEX_CMP_REQUEUE>},
    {"cmp_requeue_private", &requeue<FUTEX_CMP_REQUEUE | FUTEX_PRIVATE_FLAG>},
    {"wait_requeue_pi", &requeue<FUTEX_WAIT_REQUEUE_PI>},
    {"cmp_requeue_pi", &requeue<FUTEX_CMP_REQUEUE_PI>},
    {"requeue_anew", &victims::requeue_a_waiter_anew},
    {"io_uring", &victims::set_up_io_uring, {ENOSYS}},
};
INSTANTIATE_TEST_SUITE_P(by, pool_reach, ::testing::ValuesIn(reaches),
                         [](const auto& info) { return std::string(info.param.name); });

/// Truncates and punches whatever open file has this identity, with all the numbers that a descriptor may have.
unsigned empty_every_file_that_is(dev_t device, ino_t inode) {
  unsigned found = 0;
  for (int fd = 0; fd < 1024; ++fd) {
    struct stat file {};
    if (::fstat(fd, &file) != 0 || file.st_dev != device || file.st_ino != inode) continue;
    ++found;
    (void)!::ftruncate(fd, 0);
    (void)!::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, shm::page_bytes);
  }
  return found;
}

/// In a task: the file that its lane is mapped from. Source: proc(5), /proc/[pid]/maps.
std::pair<dev_t, ino_t> file_of_own_lane() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    unsigned major = 0, minor = 0;
    unsigned long inode = 0;
    if (line.find("/dev/shm/selvage-") != line.npos &&
        std::sscanf(line.c_str(), "%*s %*s %*s %x:%x %lu", &major, &minor, &inode) == 3) {
      return {::makedev(major, minor), inode};
    }
  }
  throw std::logic_error("no lane is mapped");
}

// FAILURES row 17
TEST_F(pool_reaches, a_worker_holds_no_descriptor_through_which_the_segment_could_be_truncated_or_punched) {
  const auto empty = selvage::task("empty", [] {
    const auto [device, inode] = file_of_own_lane();
    return empty_every_file_that_is(device, inode);
  });
  const auto empty_own = selvage::task("empty_own", [] {  // so that we know that a file would have been found
    const std::string name = "/dev/shm/selvage-test-" + std::to_string(::getpid());
    const int fd = ::open(name.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600);
    ::unlink(name.c_str());
    struct stat file {};
    if (::ftruncate(fd, shm::page_bytes) != 0 || ::fstat(fd, &file) != 0) return 0U;
    const unsigned found = empty_every_file_that_is(file.st_dev, file.st_ino);
    return ::fstat(fd, &file) == 0 && file.st_size == 0 ? found : 0U;
  });
  const auto length = selvage::task("length", [](std::string_view text) { return text.size(); });
  pool pool(watched({.workers = 1}), add, empty, empty_own, length);
  EXPECT_EQ(pool.call(empty_own).get(), 1U);
  EXPECT_EQ(pool.call(empty).get(), 0U);
  EXPECT_EQ(pool.call(length, std::string(1U << 20U, 'x')).get(), 1U << 20U);
  expect_usable(pool);
}

}  // namespace
}  // namespace selvage::test

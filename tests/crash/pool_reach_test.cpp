// FAILURES rows 16 and 17 at the pool's level: workers that ring without end, or go for what is not theirs. The tasks
// run in the mode without a sandbox.
#include <linux/futex.h>
#include <sys/resource.h>

#include "tests/support/pool_fixture.hpp"
#include "tests/victims/victims.hpp"

namespace selvage::test {
namespace {

using pool_reaches = pool_survives;

// ---- FAILURES row 16 --------------------------------------------------------------------------------------------

long switches_of_host() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  return used.ru_nvcsw + used.ru_nivcsw;
}

// FAILURES row 16
TEST_F(pool_reaches, a_wake_storm_does_not_keep_the_host_awake) {
  const auto storm = selvage::task("storm", &victims::ring_without_end);
  pool pool(watched({.workers = 2}), add, storm);
  auto ringing = pool.call(storm);
  ::usleep(100'000);
  const long before = switches_of_host();
  EXPECT_FALSE(ringing.wait_for(2s));
  // It looks at intervals of a millisecond. A host that is woken by each ring is woken a hundred thousand times.
  EXPECT_LT(switches_of_host() - before, 3 * 2000);
  expect_usable(pool);  // by the other worker
  EXPECT_FALSE(ringing.ready());
}

// FAILURES row 16: with answers in between, each of which ends the host's suspicion.
TEST_F(pool_reaches, calls_go_on_beside_a_wake_storm) {
  const auto storm = selvage::task("storm", &victims::ring_without_end);
  const auto nap = selvage::task("nap", [] { ::usleep(1'000); });
  pool pool(watched({.workers = 2}), add, storm, nap);
  auto ringing = pool.call(storm);
  const long before = switches_of_host();
  constexpr int naps = 300;
  for (int i = 0; i < naps; ++i) pool.call(nap).get();
  EXPECT_LT(switches_of_host() - before, naps * 60);
  EXPECT_FALSE(ringing.ready());
  expect_usable(pool);
}

// ---- FAILURES row 17 --------------------------------------------------------------------------------------------

struct reach {
  const char* name;
  int (*attempt)();
};
void PrintTo(const reach& how, std::ostream* out) { *out << how.name; }

class pool_reach : public pool_survives, public ::testing::WithParamInterface<reach> {};

// FAILURES row 17
TEST_P(pool_reach, is_refused_without_a_sandbox_too) {
  const auto reach = selvage::task("reach", GetParam().attempt);
  pool pool(watched({.workers = 2}), add, reach);
  const auto outcome = pool.call(reach).result();
  if (outcome) {
    EXPECT_NE(*outcome, 0) << "it succeeded";
  } else {
    EXPECT_EQ(outcome.error().code(), errc::crashed) << outcome.error().report();
  }
  expect_usable(pool);
}

template <int operation>
int requeue() {
  return victims::requeue_a_waiter(operation);
}

const std::vector<reach> reaches = {
    {"write_the_request_region", &victims::write_the_request_region},
    {"make_the_requests_writable", &victims::make_the_requests_writable},
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
    {"io_uring", &victims::set_up_io_uring},
};
INSTANTIATE_TEST_SUITE_P(by, pool_reach, ::testing::ValuesIn(reaches),
                         [](const auto& info) { return std::string(info.param.name); });

// FAILURES row 17: no descriptor through which the segment could be truncated or punched is left in a worker.
TEST_F(pool_reaches, a_worker_holds_no_descriptor_of_the_segment) {
  const auto look = selvage::task("look", [] {
    unsigned found = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
      std::error_code gone;
      found +=
          std::filesystem::read_symlink(entry.path(), gone).string().find("/dev/shm/") != std::string::npos ? 1 : 0;
    }
    return found;
  });
  pool pool(watched({.workers = 2}), add, look);
  EXPECT_EQ(pool.call(look).get(), 0U);
}

}  // namespace
}  // namespace selvage::test

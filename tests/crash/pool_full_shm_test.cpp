// FAILURES row 25: a /dev/shm that is small, full, or fills up. Each host is a process of its own, with a /dev/shm of
// its own.
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

#include <random>

#include "tests/support/host_process.hpp"
#include "tests/victims/victims.hpp"

namespace selvage::test {
namespace {

using pool_full_shm = pool_survives;

/// A /dev/shm of its own for the calling process and its children. Returns false where the kernel does not let us.
bool have_own_shm(std::uint64_t bytes) {
  if (::unshare(CLONE_NEWNS) != 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return false;
  return ::mount("tmpfs", "/dev/shm", "tmpfs", 0, ("size=" + std::to_string(bytes)).c_str()) == 0;
}

std::uint64_t free_shm() {
  struct statvfs space {};
  return ::statvfs("/dev/shm", &space) == 0 ? space.f_bavail * space.f_frsize : 0;
}

void fill_shm(std::uint64_t leave) {
  const int fd = ::open("/dev/shm/filler", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  const std::uint64_t available = free_shm();
  if (available > leave) (void)!::posix_fallocate(fd, 0, static_cast<off_t>(available - leave));
  ::close(fd);
}

bool names_the_numbers(const error& problem) {
  const std::string words = problem.what();
  return words.find("bytes requested") != words.npos && words.find("/dev/shm has") != words.npos;
}

// ---- FAILURES row 25 --------------------------------------------------------------------------------------------

// FAILURES row 25
TEST_F(pool_full_shm, a_pool_is_built_or_refused_with_the_numbers_at_every_size_of_dev_shm) {
  expect_well([](host_process::stage&) {
    if (!have_own_shm(4096)) return unsupported;
    unsigned built = 0, refused = 0;
    for (std::uint64_t kib = 4; kib <= 400; kib += 12) {
      MUST(::mount("tmpfs", "/dev/shm", "tmpfs", MS_REMOUNT, ("size=" + std::to_string(kib) + "k").c_str()) == 0);
      int sum = 0;
      const auto problem = error_of([&] {
        pool pool({.workers = 4}, add);
        sum = pool.call(add, 1, 2).get();
      });
      ++(problem ? refused : built);
      MUST(problem || sum == 3);
      MUST(!problem || problem->code() == errc::payload_exhausted);
      MUST(!problem || names_the_numbers(*problem));
      MUST(belongings::now().children.empty());
    }
    MUST(built > 0 && refused > 0);
    return 0;
  });
}

// FAILURES row 25: a container's default.
TEST_F(pool_full_shm, in_64_megabytes_large_calls_succeed_or_say_what_is_missing) {
  expect_well([](host_process::stage&) {
    if (!have_own_shm(64U << 20U)) return unsupported;
    const auto echo = selvage::task("echo", [](std::string_view text) { return std::string(text); });
    pool pool({.workers = 4, .payload_cap = 48_MiB}, add, echo);
    unsigned good = 0, exhausted = 0;
    for (std::size_t mebibytes = 1; mebibytes <= 40; ++mebibytes) {
      const std::string text(mebibytes << 20U, 'x');
      const auto outcome = pool.call(echo, text).result();
      if (outcome) {
        MUST(*outcome == text);
        ++good;
      } else {
        MUST(outcome.error().code() == errc::payload_exhausted);
        MUST(names_the_numbers(outcome.error()));
        ++exhausted;
      }
      MUST(pool.call(add, 1, 2).get() == 3);
    }
    MUST(good > 0 && exhausted > 0);
    return 0;
  });
}

// FAILURES row 25: many at once, on a machine that runs out in the middle.
TEST_F(pool_full_shm, calls_in_flight_while_dev_shm_fills_up_have_one_outcome_each) {
  expect_well([](host_process::stage&) {
    if (!have_own_shm(24U << 20U)) return unsupported;
    const auto echo = selvage::task("echo", [](const std::vector<std::uint32_t>& values) { return values; });
    pool pool({.workers = 3, .arena = {.initial = 64_KiB}}, add, echo);
    std::mt19937 random(7);
    unsigned good = 0;
    for (int round = 0; round < 30; ++round) {
      if (round == 10) fill_shm(256U << 10U);
      std::vector<std::vector<std::uint32_t>> values;
      std::vector<future<std::vector<std::uint32_t>>> echoes;
      for (int i = 0; i < 12; ++i) values.emplace_back(random() % 200'000, static_cast<std::uint32_t>(i));
      for (const auto& each : values) echoes.push_back(pool.call(echo, each));
      for (std::size_t i = 0; i < values.size(); ++i) {
        const auto outcome = echoes[i].result();
        MUST(!outcome || *outcome == values[i]);
        MUST(outcome || outcome.error().code() == errc::payload_exhausted);
        good += outcome ? 1 : 0;
      }
      MUST(pool.call(add, 1, 2).get() == 3);
    }
    MUST(good > 0);
    return 0;
  });
}

// FAILURES row 25: what little there is, is used: a small payload does not fail because the first step would be a large
// one.
TEST_F(pool_full_shm, a_payload_that_fits_the_rest_of_dev_shm_is_carried) {
  expect_well([](host_process::stage&) {
    if (!have_own_shm(16U << 20U)) return unsupported;
    const auto echo = selvage::task("echo", [](std::string_view text) { return std::string(text); });
    pool pool({.workers = 1}, add, echo);
    fill_shm(1U << 20U);
    const std::string text(100'000, 'x');
    const auto outcome = pool.call(echo, text).result();
    if (!outcome) std::fprintf(stderr, "%s\n", outcome.error().what());
    MUST(outcome && *outcome == text);
    return 0;
  });
}

// FAILURES row 25: an arena that is there already is used by calls that the other lanes have no memory for.
TEST_F(pool_full_shm, a_lane_without_memory_leaves_its_call_to_one_that_has_some) {
  expect_well([](host_process::stage&) {
    if (!have_own_shm(16U << 20U)) return unsupported;
    const auto size = selvage::task("size", [](std::string_view text) { return text.size(); });
    pool pool({.workers = 3, .balancer = balance::first_idle}, add, size);
    const std::string text(100'000, 'x');
    MUST(pool.call(size, text).get() == text.size());  // the first lane has its arena now
    fill_shm(0);
    for (int round = 0; round < 10; ++round) {
      std::vector<future<std::size_t>> sizes;
      for (int i = 0; i < 10; ++i) sizes.push_back(pool.call(size, text));
      for (auto& each : sizes) {
        const auto outcome = each.result();
        if (!outcome) std::fprintf(stderr, "%s\n", outcome.error().what());
        MUST(outcome && *outcome == text.size());
      }
    }
    return 0;
  });
}

// FAILURES row 25: a fixed arena is reserved when the pool is built.
TEST_F(pool_full_shm, a_fixed_arena_that_does_not_fit_is_refused_when_the_pool_is_built) {
  expect_well([](host_process::stage&) {
    if (!have_own_shm(16U << 20U)) return unsupported;
    const auto problem =
        error_of([] { const pool pool({.workers = 2, .arena = {.maximum = 32_MiB, .growable = false}}, add); });
    MUST(problem && problem->code() == errc::payload_exhausted && names_the_numbers(*problem));
    MUST(free_shm() > (15U << 20U));  // given back
    MUST(belongings::now().children.empty());
    return 0;
  });
}

// FAILURES rows 14 and 25: an answer that lies in pages that nobody has reserved, when there are none left.
TEST_F(pool_full_shm, an_answer_in_untouched_pages_of_a_full_dev_shm_is_a_bad_response_and_no_sigbus) {
  expect_well([](host_process::stage&) {
    if (!have_own_shm(8U << 20U)) return unsupported;
    const auto lie = selvage::task("lie", [](std::uint64_t offset, std::uint64_t length) {
      const victims::lane_of_worker lane = victims::own_lane();
      const unsigned slot = slot_that_runs();
      shm::response_header& header = lane.response.headers[slot];
      header.call_id = lane.request.headers[slot].call_id.load();
      header.status = static_cast<std::uint8_t>(shm::response_status::ok);
      header.form = static_cast<std::uint8_t>(detail::payload_form::flat);
      header.in_arena = 1;
      header.offset = offset;
      header.length = length;
      lane.response.words->done.store(lane.response.words->done.load() ^ shm::bit(slot));
      victims::kill_itself();
      return std::string();
    });
    pool pool({.workers = 1, .payload_cap = 64_MiB}, add, lie);
    fill_shm(0);
    for (const std::uint64_t offset :
         {std::uint64_t{0}, std::uint64_t{4096}, std::uint64_t{1} << 20U, (std::uint64_t{64} << 20U) - 4096}) {
      const auto outcome = pool.call(lie, offset, std::uint64_t{4096}).result();
      MUST(!outcome && outcome.error().code() == errc::bad_response);
    }
    MUST(pool.call(add, 1, 2).get() == 3);
    return 0;
  });
}

}  // namespace
}  // namespace selvage::test

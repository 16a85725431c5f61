// Every option that is out of range is refused by the name of its field; every value at its bound passes. BEHAVIOURS,
// "Errors" and "Trust": what cannot be had is refused up front.

#include "pool/options.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <limits>
#include <string>

#include <selvage/error.hpp>

#include "shm/layout.hpp"

namespace selvage::host {
namespace {

using namespace std::chrono_literals;
using selvage::bytes;
using ::testing::HasSubstr;

/// What the refusal says, or nothing where the options pass.
std::string refusal(const pool_options& options, std::size_t tasks = 1) {
  try {
    (void)checked(options, tasks);
    return {};
  } catch (const error& problem) {
    EXPECT_EQ(problem.code(), tasks > 65'536 ? errc::too_many_tasks : errc::invalid_options);
    return problem.what();
  }
}

#define EXPECT_NAMES(field, ...) EXPECT_THAT(refusal(pool_options __VA_ARGS__), HasSubstr("pool_options::" field ":"))
#define EXPECT_PASSES(...) EXPECT_EQ(refusal(pool_options __VA_ARGS__), "")

TEST(options, the_defaults_pass_and_are_filled_in) {
  const pool_options it = checked({}, 1);
  EXPECT_GE(it.workers, 1U);
  EXPECT_LE(it.workers, 120U);
  EXPECT_EQ(it.payload_cap, 8_MiB);
}

TEST(options, workers_at_its_bounds) {
  EXPECT_PASSES({.workers = 1});
  EXPECT_PASSES({.workers = 120});
  EXPECT_NAMES("workers", {.workers = 121});
}

TEST(options, the_tasks_at_their_bound) {
  EXPECT_EQ(refusal({}, 0), "");
  EXPECT_EQ(refusal({}, 65'536), "");
  EXPECT_THAT(refusal({}, 65'537), HasSubstr("65537"));
}

TEST(options, enumerations_that_are_none) {
  EXPECT_NAMES("start", {.start = static_cast<start>(7)});
  EXPECT_NAMES("balancer", {.balancer = static_cast<balance>(9)});
  EXPECT_NAMES("inline_lane.where", {.inline_lane = {.where = static_cast<inline_options::position>(9)}});
}

TEST(options, arena_sizes) {
  EXPECT_PASSES({.arena = {.initial = 4_KiB, .maximum = 4_KiB}});
  EXPECT_NAMES("arena.maximum", {.arena = {.maximum = 0_B}});
  EXPECT_NAMES("arena.maximum", {.arena = {.maximum = 4097_B}});
  EXPECT_NAMES("arena.maximum", {.arena = {.maximum = 2048_GiB}});
  EXPECT_NAMES("arena.initial", {.arena = {.initial = 0_B}});
  EXPECT_NAMES("arena.initial", {.arena = {.initial = 5000_B}});
  EXPECT_NAMES("arena.initial", {.arena = {.initial = 128_MiB}});
  EXPECT_PASSES({.arena = {.initial = 0_B, .growable = false}});  // is ignored there
}

TEST(options, the_payload_cap_may_be_the_whole_arena_and_no_more) {
  EXPECT_PASSES({.payload_cap = 64_MiB});
  EXPECT_NAMES("payload_cap", {.payload_cap = bytes{(64_MiB).count + 1}});
  EXPECT_EQ(checked({.arena = {.maximum = 16_MiB}}, 1).payload_cap, 2_MiB);
}

TEST(options, depth_and_queue) {
  EXPECT_PASSES({.queue = 1, .depth = {.maximum = 1}});
  EXPECT_PASSES({.depth = {.maximum = 64}});
  EXPECT_NAMES("depth.maximum", {.depth = {.maximum = 0}});
  EXPECT_NAMES("depth.maximum", {.depth = {.maximum = 65}});
  EXPECT_NAMES("depth.window", {.depth = {.window = -1ns}});
  EXPECT_NAMES("queue", {.queue = 0});
}

TEST(options, times_are_not_negative) {
  EXPECT_NAMES("timeout", {.timeout = -1ns});
  EXPECT_NAMES("grace", {.grace = -1ns});
  EXPECT_NAMES("spin.host", {.spin = {.host = -1ns}});
  EXPECT_NAMES("spin.worker", {.spin = {.worker = -1ns}});
  EXPECT_NAMES("recycle.age", {.recycle = {.age = -1ns}});
  EXPECT_PASSES({.spin = {.host = 0ns, .worker = 0ns}});
}

TEST(options, spinning_is_bounded) {
  EXPECT_PASSES({.spin = {.pause = 1000, .park = 10us}});
  EXPECT_NAMES("spin.pause", {.spin = {.pause = 0}});
  EXPECT_NAMES("spin.pause", {.spin = {.pause = 1001}});
  EXPECT_NAMES("spin.park", {.spin = {.park = 9us}});
  EXPECT_NAMES("spin.park", {.spin = {.park = -1s}});
  EXPECT_PASSES({.spin = {.host = 1s, .worker = 1s}});
  EXPECT_NAMES("spin.host", {.spin = {.host = 1s + 1ns}});
  EXPECT_NAMES("spin.worker", {.spin = {.worker = 1h}});
}

TEST(options, a_time_slice_is_what_the_kernel_takes) {
  EXPECT_PASSES({.time_slice = 100us});
  EXPECT_PASSES({.time_slice = 100ms});
  EXPECT_NAMES("time_slice", {.time_slice = 99us});
  EXPECT_NAMES("time_slice", {.time_slice = 101ms});
  EXPECT_NAMES("time_slice", {.time_slice = -1ms});
}

TEST(options, recycling_and_restarting) {
  EXPECT_PASSES({.recycle = {.jitter = 0.0}});
  EXPECT_NAMES("recycle.jitter", {.recycle = {.jitter = 1.0}});
  EXPECT_NAMES("recycle.jitter", {.recycle = {.jitter = -0.1}});
  EXPECT_NAMES("recycle.jitter", {.recycle = {.jitter = std::numeric_limits<double>::quiet_NaN()}});
  EXPECT_NAMES("restart.budget", {.restart = {.budget = 0}});
  EXPECT_NAMES("restart.backoff", {.restart = {.backoff = 0ns}});
  EXPECT_NAMES("restart.backoff", {.restart = {.backoff = 2s, .backoff_limit = 1s}});
  EXPECT_NAMES("restart.start_timeout", {.restart = {.start_timeout = 0ns}});
}

TEST(options, the_inline_lane) {
  EXPECT_NAMES("inline_lane.batch", {.inline_lane = {.batch = 0}});
  EXPECT_PASSES({.inline_lane = {.where = inline_options::position::last, .batch = 1}});
}

TEST(options, descriptors_to_inherit_must_be_open) {
  const int open_one = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ASSERT_GE(open_one, 0);
  EXPECT_PASSES({.inherit = {open_one}});
  ::close(open_one);
  EXPECT_NAMES("inherit", {.inherit = {open_one}});
  EXPECT_NAMES("inherit", {.inherit = {-1}});
}

TEST(options, a_fixed_arena_is_reserved_whole) {
  const auto fixed = arena_limits(checked({.arena = {.maximum = 8_MiB, .growable = false}}, 1));
  EXPECT_EQ(fixed.initial, fixed.maximum);
  EXPECT_EQ(fixed.maximum, (8_MiB).count);
}

TEST(options, the_geometry_follows) {
  const shm::geometry shape = geometry_of(checked({.workers = 3, .arena = {.maximum = 16_MiB}}, 1), 3);
  EXPECT_EQ(shape.lanes, 3U);
  EXPECT_EQ(shape.request_arena_bytes, (16_MiB).count);
  EXPECT_EQ(shape.response_arena_bytes, (16_MiB).count);
}

}  // namespace
}  // namespace selvage::host

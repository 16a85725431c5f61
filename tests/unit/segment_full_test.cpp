// Proves what shm/segment.hpp does where /dev/shm is full: an error with numbers in it, never a SIGBUS. Each test
// mounts a /dev/shm of a few pages in a namespace of its own, and skips itself, with the reason, where that is refused.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>

#include <cstring>
#include <fstream>
#include <string>

#include <selvage/error.hpp>
#include "shm/segment.hpp"
#include "tests/support/child.hpp"

namespace {

using namespace selvage::shm;
using selvage::shm::access;  // and not access(2)
using selvage::tests::said_by_child;
using testing::HasSubstr;

constexpr geometry two_lanes{
    .lanes = 2, .request_arena_bytes = 64 * page_bytes, .response_arena_bytes = 32 * page_bytes};
constexpr geometry no_arenas{.lanes = 1, .request_arena_bytes = 0, .response_arena_bytes = 0};

void write_file(const char* path, const std::string& text) { std::ofstream(path) << text; }

// Returns why this process cannot have a /dev/shm of its own, empty where it has one now.
std::string mount_own_shm(std::size_t bytes) {
  const bool root = ::geteuid() == 0;
  const auto uid = ::geteuid();
  const auto gid = ::getegid();
  if (::unshare(root ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) != 0)
    return std::string("unshare: ") + std::strerror(errno);
  if (!root) {
    write_file("/proc/self/setgroups", "deny");
    write_file("/proc/self/uid_map", "0 " + std::to_string(uid) + " 1");
    write_file("/proc/self/gid_map", "0 " + std::to_string(gid) + " 1");
  }
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    return std::string("mount: ") + std::strerror(errno);
  const std::string options = "size=" + std::to_string(bytes);
  if (::mount("tmpfs", "/dev/shm", "tmpfs", 0, options.c_str()) != 0)
    return std::string("mount: ") + std::strerror(errno);
  return {};
}

// Runs `body` where /dev/shm has so many bytes; returns what it returned, or "skip: why".
template <class Body>
std::string said_with_small_shm(std::size_t bytes, Body&& body) {
  return said_by_child([&]() -> std::string {
    const std::string refused = mount_own_shm(bytes);
    return refused.empty() ? body() : "skip: no mount namespace here: " + refused;
  });
}

TEST(segment_full, a_full_shm_is_an_error_with_the_numbers_in_it) {
  // From nothing to all but one page of what is needed: wherever the space ends, the outcome is the same.
  const std::size_t needed = no_arenas.segment_bytes();
  for (std::size_t bytes = page_bytes; bytes < needed; bytes += page_bytes) {
    const std::string said = said_with_small_shm(bytes, [&]() -> std::string {
      try {
        (void)create_segment(no_arenas);
        return "created";
      } catch (const selvage::error& refusal) {
        if (refusal.code() != selvage::errc::payload_exhausted) return std::string("another code: ") + refusal.what();
        return refusal.what();
      }
    });
    if (said.starts_with("skip: ")) GTEST_SKIP() << said;
    EXPECT_THAT(said, HasSubstr("payload_exhausted"));
    EXPECT_THAT(said, HasSubstr("bytes requested, /dev/shm has "));
    EXPECT_THAT(said, HasSubstr(" free of " + std::to_string(bytes)));
  }
}

TEST(segment_full, exactly_enough_shm_is_enough) {
  const std::string said = said_with_small_shm(no_arenas.segment_bytes(), [&]() -> std::string {
    const descriptors segment = create_segment(no_arenas);
    const mapping all(segment.read_write.get(), access::read_write, 0, no_arenas.segment_bytes());
    std::memset(all.data(), 1, all.size());  // no SIGBUS: all of it was reserved
    return "written";
  });
  if (said.starts_with("skip: ")) GTEST_SKIP() << said;
  EXPECT_EQ(said, "written");
}

TEST(segment_full, an_arena_that_cannot_grow_is_an_errno_and_what_there_is_stays_usable) {
  const std::size_t control = two_lanes.segment_bytes() - 2 * (64 + 32) * page_bytes;
  const std::string said = said_with_small_shm(control + 8 * page_bytes, [&]() -> std::string {
    const descriptors segment = create_segment(two_lanes);
    const std::uint64_t arena = two_lanes.request_offset(1) + request_layout::arena;
    const mapping mapped(segment.read_write.get(), access::read_write, arena, 64 * page_bytes);
    if (reserve(segment.read_write.get(), arena, 4 * page_bytes) != 0) return "4 pages were refused";
    if (const int error = reserve(segment.read_write.get(), arena, 64 * page_bytes); error != ENOSPC) {
      return "fallocate: " + std::to_string(error);
    }
    if (reserve_mapped(mapped.data(), 64 * page_bytes) == 0) return "64 pages were found in 8";
    std::memset(mapped.data(), 7, 4 * page_bytes);
    return "refused, and four pages written";
  });
  if (said.starts_with("skip: ")) GTEST_SKIP() << said;
  EXPECT_EQ(said, "refused, and four pages written");
}

}  // namespace

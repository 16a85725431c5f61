// Proves shm/segment.hpp: no name is left, and every right is as narrow as promised.

#include "shm/segment.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>

#include <selvage/error.hpp>
#include "tests/support/child.hpp"

namespace {

using namespace selvage::shm;
using selvage::shm::access;  // and not access(2)
using selvage::tests::child;
using selvage::tests::said_by_child;
using testing::HasSubstr;

constexpr geometry two_lanes{
    .lanes = 2, .request_arena_bytes = 64 * page_bytes, .response_arena_bytes = 32 * page_bytes};
constexpr geometry no_arenas{.lanes = 1, .request_arena_bytes = 0, .response_arena_bytes = 0};

struct stat status_of(const selvage::base::unique_fd& fd) {
  struct stat status;
  EXPECT_EQ(::fstat(fd.get(), &status), 0);
  return status;
}

std::vector<std::string> names_of(pid_t creator) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator("/dev/shm")) {
    const std::string name = entry.path().filename();
    if (name.starts_with("selvage-" + std::to_string(creator) + "-")) names.push_back(name);
  }
  return names;
}

// A name as a creator with this pid would have left it. Removed with its scope.
class left_name {
 public:
  left_name(pid_t creator, std::string_view contents)
      : path_("/dev/shm/selvage-" + std::to_string(creator) + "-" + std::to_string(::getpid())) {
    std::ofstream file(path_);
    file << contents << std::flush;
    EXPECT_TRUE(file.good());
  }
  ~left_name() { std::filesystem::remove(path_); }
  [[nodiscard]] bool exists() const { return std::filesystem::exists(path_); }

 private:
  std::string path_;
};

pid_t a_dead_pid() {
  child gone([] { return 0; });
  gone.wait();
  return gone.pid();
}

TEST(segment, it_has_two_descriptions_of_one_file_and_no_name) {
  const descriptors segment = create_segment(two_lanes);
  EXPECT_TRUE(names_of(::getpid()).empty());
  EXPECT_EQ(status_of(segment.read_write).st_ino, status_of(segment.read_only).st_ino);
  EXPECT_EQ(status_of(segment.read_write).st_nlink, 0U);
  EXPECT_EQ(status_of(segment.read_write).st_mode & 0777U, 0600U);
  EXPECT_EQ(::fcntl(segment.read_write.get(), F_GETFL) & O_ACCMODE, O_RDWR);
  EXPECT_EQ(::fcntl(segment.read_only.get(), F_GETFL) & O_ACCMODE, O_RDONLY);
  EXPECT_EQ(::fcntl(segment.read_write.get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  EXPECT_EQ(::fcntl(segment.read_only.get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  const char byte = 'x';
  EXPECT_EQ(::pwrite(segment.read_only.get(), &byte, 1, 0), -1);
}

TEST(segment, its_size_is_the_geometry_and_only_control_pages_are_reserved) {
  const descriptors segment = create_segment(two_lanes);
  const struct stat status = status_of(segment.read_only);
  EXPECT_EQ(static_cast<std::uint64_t>(status.st_size), two_lanes.segment_bytes());
  const std::uint64_t control = two_lanes.request_offset(0) + 2 * (request_layout::arena + response_layout::arena);
  EXPECT_EQ(static_cast<std::uint64_t>(status.st_blocks) * 512, control);
}

TEST(segment, a_thousand_segments_leave_no_name_and_no_descriptor) {
  const auto open_descriptors = [] {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return std::distance(begin(all), end(all));
  };
  const auto before = open_descriptors();
  for (int i = 0; i < 1000; ++i) (void)create_segment(no_arenas);
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_TRUE(names_of(::getpid()).empty());
}

TEST(segment, a_header_of_this_build_and_geometry_is_accepted) {
  EXPECT_NO_THROW(check_segment(create_segment(two_lanes), two_lanes));
}

void expect_refused(const descriptors& segment, const geometry& shape) {
  try {
    check_segment(segment, shape);
    ADD_FAILURE() << "accepted";
  } catch (const selvage::error& refusal) {
    EXPECT_EQ(refusal.code(), selvage::errc::worker_start_failed);
    EXPECT_THAT(refusal.what(), HasSubstr("another build"));
  }
}

TEST(segment, a_header_of_another_geometry_or_build_is_refused) {
  const descriptors segment = create_segment(two_lanes);
  geometry other = two_lanes;
  other.lanes = 3;
  expect_refused(segment, other);
  other = two_lanes;
  other.request_arena_bytes += page_bytes;
  expect_refused(segment, other);
  other = two_lanes;
  std::swap(other.request_arena_bytes, other.response_arena_bytes);
  expect_refused(segment, other);

  const std::uint64_t format = format_word + 1;
  ASSERT_EQ(::pwrite(segment.read_write.get(), &format, sizeof format, 0), static_cast<ssize_t>(sizeof format));
  expect_refused(segment, two_lanes);
  ASSERT_EQ(::ftruncate(segment.read_write.get(), 4), 0);
  expect_refused(segment, two_lanes);
}

TEST(segment, both_sides_see_the_same_bytes) {
  const descriptors segment = create_segment(two_lanes);
  const std::uint64_t offset = two_lanes.response_offset(1);
  const mapping writable(segment.read_write.get(), access::read_write, offset, page_bytes);
  const mapping readable(segment.read_only.get(), access::read_only, offset, page_bytes);
  ASSERT_EQ(readable.size(), page_bytes);
  writable.data()[page_bytes - 1] = std::byte{42};
  EXPECT_EQ(readable.data()[page_bytes - 1], std::byte{42});
}

TEST(segment, a_mapping_of_the_read_only_description_cannot_be_made_writable) {
  const descriptors segment = create_segment(no_arenas);
  const mapping readable(segment.read_only.get(), access::read_only, 0, page_bytes);
  EXPECT_EQ(::mprotect(readable.data(), page_bytes, PROT_READ | PROT_WRITE), -1);
  EXPECT_EQ(errno, EACCES);
  // The description is what refuses: the same page through the other one can be changed.
  const mapping looser(segment.read_write.get(), access::read_only, 0, page_bytes);
  EXPECT_EQ(::mprotect(looser.data(), page_bytes, PROT_READ | PROT_WRITE), 0);
}

TEST(segment, the_read_only_description_cannot_be_mapped_writable) {
  const descriptors segment = create_segment(no_arenas);
  try {
    const mapping impossible(segment.read_only.get(), access::read_write, 0, page_bytes);
    FAIL() << "mapped";
  } catch (const std::system_error& refusal) {
    EXPECT_EQ(refusal.code().value(), EACCES);
    EXPECT_THAT(refusal.what(), HasSubstr("4096"));
  }
}

TEST(segment, writing_through_a_read_only_mapping_faults) {
  const descriptors segment = create_segment(no_arenas);
  child writer([&] {
    ::signal(SIGSEGV, SIG_DFL);
    const mapping readable(segment.read_only.get(), access::read_only, 0, page_bytes);
    *static_cast<volatile std::byte*>(readable.data()) = std::byte{1};
    return 0;
  });
  EXPECT_EQ(writer.exit_status(), 1000 + SIGSEGV);
}

TEST(segment, a_forked_child_has_nothing_of_it_mapped) {
  const descriptors segment = create_segment(no_arenas);
  for (const access rights : {access::read_only, access::read_write}) {
    const int fd = rights == access::read_only ? segment.read_only.get() : segment.read_write.get();
    const mapping mapped(fd, rights, 0, page_bytes);
    child toucher([&] {
      ::signal(SIGSEGV, SIG_DFL);
      return static_cast<int>(*static_cast<volatile std::byte*>(mapped.data())) * 0;
    });
    EXPECT_EQ(toucher.exit_status(), 1000 + SIGSEGV);
    EXPECT_EQ(said_by_child([] {
                std::ifstream maps("/proc/self/maps");
                for (std::string line; std::getline(maps, line);) {
                  if (line.find("selvage-") != std::string::npos) return line;
                }
                return std::string("nothing");
              }),
              "nothing");
  }
}

TEST(segment, a_mapping_replaces_part_of_a_range_that_was_reserved) {
  const descriptors segment = create_segment(no_arenas);
  constexpr std::size_t range_bytes = 16 * page_bytes;
  auto* const range = static_cast<std::byte*>(
      ::mmap(nullptr, range_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  ASSERT_NE(range, MAP_FAILED);
  {
    const mapping placed(segment.read_write.get(), access::read_write, 0, 2 * page_bytes, range + 4 * page_bytes);
    EXPECT_EQ(placed.data(), range + 4 * page_bytes);
    std::uint64_t format = 0;
    std::memcpy(&format, placed.data(), sizeof format);
    EXPECT_EQ(format, format_word);
  }
  ::munmap(range, range_bytes);
}

TEST(segment, a_moved_mapping_is_unmapped_once_and_an_abandoned_one_never) {
  const descriptors segment = create_segment(no_arenas);
  const auto is_mapped = [](const std::byte* at) {
    unsigned char resident = 0;
    return ::mincore(const_cast<std::byte*>(at), page_bytes, &resident) == 0;
  };
  mapping first(segment.read_write.get(), access::read_write, 0, page_bytes);
  std::byte* const at = first.data();
  mapping second = std::move(first);
  EXPECT_EQ(first.data(), nullptr);  // NOLINT(bugprone-use-after-move): moved-from is empty, by contract
  EXPECT_EQ(first.size(), 0U);
  EXPECT_EQ(second.data(), at);
  first = mapping();
  EXPECT_TRUE(is_mapped(at));
  second = mapping();
  EXPECT_FALSE(is_mapped(at));

  mapping third(segment.read_write.get(), access::read_write, 0, page_bytes);
  std::byte* const left = third.data();
  third.abandon();
  EXPECT_EQ(third.data(), nullptr);
  third = mapping();
  EXPECT_TRUE(is_mapped(left));
  ::munmap(left, page_bytes);
}

TEST(segment, an_empty_name_that_a_dead_creator_left_is_swept) {
  const left_name orphan(a_dead_pid(), "");  // which a pool of another test may sweep before we do
  (void)create_segment(no_arenas);
  EXPECT_FALSE(orphan.exists());
}

TEST(segment, names_of_the_living_names_with_contents_and_strange_names_are_left_alone) {
  child living([] {
    ::pause();
    return 0;
  });
  const pid_t dead = a_dead_pid();
  const left_name of_living(living.pid(), "");
  const left_name of_myself(::getpid(), "");
  const left_name with_contents(dead, "x");
  const left_name no_pid(0, "");
  (void)create_segment(no_arenas);
  EXPECT_TRUE(of_living.exists());
  EXPECT_TRUE(of_myself.exists());
  EXPECT_TRUE(with_contents.exists());
  EXPECT_TRUE(no_pid.exists());
}

TEST(segment, reserving_makes_pages_that_were_not_there) {
  const descriptors segment = create_segment(two_lanes);
  const auto before = status_of(segment.read_only).st_blocks;
  const std::uint64_t arena = two_lanes.response_offset(0) + response_layout::arena;
  EXPECT_EQ(reserve(segment.read_write.get(), arena, 2 * page_bytes), 0);
  EXPECT_EQ(status_of(segment.read_only).st_blocks - before, static_cast<long>(2 * page_bytes / 512));
  const mapping mapped(segment.read_write.get(), access::read_write, arena, 8 * page_bytes);
  EXPECT_EQ(reserve_mapped(mapped.data(), 4 * page_bytes), 0);
  EXPECT_EQ(status_of(segment.read_only).st_blocks - before, static_cast<long>(4 * page_bytes / 512));
}

TEST(segment, reserving_through_a_description_or_mapping_without_the_right_is_an_error) {
  const descriptors segment = create_segment(no_arenas);
  EXPECT_EQ(reserve(segment.read_only.get(), 0, page_bytes), EBADF);
  const mapping readable(segment.read_only.get(), access::read_only, 0, page_bytes);
  EXPECT_NE(reserve_mapped(readable.data(), page_bytes), 0);
}

TEST(segment, the_figures_say_what_was_asked_and_what_there_is) {
  const std::string figures = shared_memory_figures(123456);
  EXPECT_THAT(figures, HasSubstr("123456 bytes requested"));
  EXPECT_THAT(figures, HasSubstr("/dev/shm has "));
  EXPECT_THAT(figures, HasSubstr("--shm-size"));
}

}  // namespace

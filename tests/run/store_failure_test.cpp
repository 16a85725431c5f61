// A store whose disk fails it: full, read-only, over a limit, or with an error at the sync. What was committed before
// is kept, and the error says what to do. FAILURES row 31. The failures that no machine has at hand are made by this
// program's own pwrite, pwritev, fdatasync and statfs, which liblmdb and the store call in place of libc's.

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/vfs.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <sstream>

#include "tests/run/store_support.hpp"
#include "tests/support/child.hpp"

namespace {

// Set by a test in a child of its own: 0, or the errno of every call from now on.
std::atomic<int> writes_fail{0};
std::atomic<int> syncs_fail{0};
std::atomic<long> filesystem{0};

template <class Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

bool fails(const std::atomic<int>& how) {
  const int code = how.load();
  if (code != 0) errno = code;
  return code != 0;
}

}  // namespace

extern "C" {

ssize_t pwrite(int fd, const void* from, size_t size, off_t at) {
  if (fails(writes_fail)) return -1;
  return next<ssize_t(int, const void*, size_t, off_t)>("pwrite")(fd, from, size, at);
}
ssize_t pwrite64(int fd, const void* from, size_t size, off_t at) {
  if (fails(writes_fail)) return -1;
  return next<ssize_t(int, const void*, size_t, off_t)>("pwrite64")(fd, from, size, at);
}
ssize_t pwritev(int fd, const iovec* from, int count, off_t at) {
  if (fails(writes_fail)) return -1;
  return next<ssize_t(int, const iovec*, int, off_t)>("pwritev")(fd, from, count, at);
}
ssize_t pwritev64(int fd, const iovec* from, int count, off_t at) {
  if (fails(writes_fail)) return -1;
  return next<ssize_t(int, const iovec*, int, off_t)>("pwritev64")(fd, from, count, at);
}
ssize_t writev(int fd, const iovec* from, int count) {
  if (fails(writes_fail)) return -1;
  return next<ssize_t(int, const iovec*, int)>("writev")(fd, from, count);
}
int fdatasync(int fd) {
  if (fails(syncs_fail)) return -1;
  return next<int(int)>("fdatasync")(fd);
}
int statfs(const char* path, struct statfs* found) noexcept {
  const int result = next<int(const char*, struct statfs*)>("statfs")(path, found);
  if (filesystem.load() != 0) found->f_type = filesystem.load();
  return result;
}

}  // extern "C"

namespace selvage::test {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

/// In a child: keeps a record, makes the disk fail, tries to keep another. Returns: what that came to.
std::string kept_while(const std::filesystem::path& place, const std::function<void()>& the_disk_fails) {
  return tests::said_by_child([&] {
    std::string told;
    std::string words;
    {
      const store store(place, {.commit_interval = 1h});
      journal writer = open(store, {.name = "run", .on_failure = [&](const error& problem) { told = problem.what(); }});
      put(writer, "before");
      if (const auto done = writer.flush(); !done) return std::string("too early: ") + done.error().what();
      the_disk_fails();
      const std::string large(3'000'000, 'x');
      (void)writer.put(item_of("during", large));
      words = words_of(writer.flush());
      if (writer.durable() != 1) return std::string("a lost record was said to be durable");
      if (words_of(writer.put(item_of("after", "x"))) != words) return std::string("put: another error than flush");
      if (found_in(writer, "before") != output_of("before")) return std::string("what was kept before cannot be found");
    }
    if (told != words) return "on_failure: '" + told + "', flush: '" + words + "'";
    return words;
  });
}

/// The store as it is found afterwards.
void expect_kept(const std::filesystem::path& place) {
  const store store(place);
  EXPECT_TRUE(store.check("run").value().ok());
  journal again = open(store, {.name = "run"});
  EXPECT_EQ(found_in(again, "before"), output_of("before"));
  EXPECT_EQ(found_in(again, "during"), "(none)");
  put(again, "after");
  ASSERT_TRUE(again.flush());
  EXPECT_EQ(found_in(again, "after"), output_of("after"));
}

TEST(failing_disks, that_are_full_keep_what_was_there) {
  const scratch_directory place;
  const std::string words = kept_while(place.path(), [] { writes_fail = ENOSPC; });
  EXPECT_THAT(words, HasSubstr("store_error"));
  EXPECT_THAT(words, HasSubstr("run.run/data.mdb: cannot be written: No space left on device ("));
  expect_kept(place.path());
}

TEST(failing_disks, that_report_errors_keep_what_was_there) {
  const scratch_directory place;
  EXPECT_THAT(kept_while(place.path(), [] { syncs_fail = EIO; }), HasSubstr("Input/output error"));
  const store store(place.path());
  EXPECT_TRUE(store.check("run").value().ok());
  EXPECT_EQ(found_in(open(store, {.name = "run"}), "before"), output_of("before"));
}

TEST(failing_disks, with_a_limit_of_file_sizes_keep_what_was_there) {
  const scratch_directory place;
  const std::string words = kept_while(place.path(), [] {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1'000'000, 1'000'000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  });
  EXPECT_THAT(words, HasSubstr("a limit of file sizes is reached (ulimit -f)"));
  expect_kept(place.path());
}

/// Mounts a small filesystem at `place`, for this process only. Returns: false where that is not permitted.
bool mount_small(const std::filesystem::path& place) {
  return ::unshare(CLONE_NEWNS) == 0 && ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         ::mount("tmpfs", place.c_str(), "tmpfs", 0, "size=1m") == 0;
}

TEST(failing_disks, that_are_really_full_keep_what_was_there) {
  const scratch_directory place;
  const std::string words = tests::said_by_child([&]() -> std::string {
    if (!mount_small(place.path())) return "skipped";
    const std::string failed = kept_while(place.path(), [] {});
    expect_kept(place.path());
    return ::testing::Test::HasFailure() ? "what was kept is not there" : failed;
  });
  if (words == "skipped") GTEST_SKIP() << "a filesystem cannot be mounted here (that takes CAP_SYS_ADMIN)";
  EXPECT_THAT(words, HasSubstr("the disk is full or failing"));
}

TEST(failing_disks, that_are_read_only_are_told_and_can_be_read) {
  const scratch_directory place;
  { put(*std::make_unique<journal>(open(store(place.path()), {.name = "run"})), "key"); }
  const std::string words = tests::said_by_child([&]() -> std::string {
    const char* const at = place.path().c_str();
    if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount(at, at, nullptr, MS_BIND, nullptr) != 0 ||
        ::mount(nullptr, at, nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr) != 0) {
      return "skipped";
    }
    const store store(place.path());
    return words_of(store.open({.name = "run"})) + "\n" + words_of(store.open({.name = "new"})) + "\n" +
           words_of(store.forget("run")) + "\n" + all_of(store, "run").begin()->second.output;
  });
  if (words == "skipped") GTEST_SKIP() << "a filesystem cannot be mounted here (that takes CAP_SYS_ADMIN)";
  std::istringstream lines(words);
  for (std::string line; std::getline(lines, line);) {
    if (line == output_of("key")) continue;
    EXPECT_THAT(line, HasSubstr("store_error: " + place.path().string()));
    EXPECT_THAT(line, HasSubstr("Read-only file system; the directory of a store must be writable"));
  }
  EXPECT_THAT(words, ::testing::EndsWith(output_of("key")));
}

TEST(failing_disks, on_which_a_store_cannot_be_made_are_told) {
  const scratch_directory place;
  EXPECT_THAT(words_of(store("/proc/selvage").open({.name = "run"})),
              HasSubstr("store_error: /proc/selvage: cannot be made"));
  std::ofstream(place.path() / "file") << "x";
  EXPECT_THAT(words_of(store(place.path() / "file").open({.name = "run"})), HasSubstr("Not a directory"));
  EXPECT_THAT(tests::said_by_child([&] {
                writes_fail = ENOSPC;
                return words_of(store(place.path() / "new").open({.name = "run"}));
              }),
              HasSubstr("No space left on device"));
  EXPECT_TRUE(std::filesystem::is_empty(place.path() / "new")) << "nothing half made is left";
}

TEST(failing_disks, that_are_remote_are_refused) {
  const scratch_directory place;
  const auto opened_on = [&](long type, bool any) {
    return tests::said_by_child([&] {
      filesystem = type;
      const auto opened = store(place.path(), {.any_filesystem = any}).open({.name = "run"});
      return words_of(opened);
    });
  };
  EXPECT_THAT(opened_on(NFS_SUPER_MAGIC, false), HasSubstr("a store must lie on a local filesystem, and this is NFS"));
  EXPECT_THAT(opened_on(FUSE_SUPER_MAGIC, false), HasSubstr("this is FUSE"));
  EXPECT_EQ(opened_on(NFS_SUPER_MAGIC, true), "done");
  EXPECT_EQ(opened_on(EXT4_SUPER_MAGIC, false), "done");
}

}  // namespace
}  // namespace selvage::test

// Granted places are held from when they were looked up.

#include "worker/sandbox/held_places.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "base/kernel.hpp"

namespace selvage {
namespace {

namespace fs = std::filesystem;
using worker::sandbox::place_keeper;

class held_places : public ::testing::Test {
 protected:
  void SetUp() override {
    if (base::landlock_version() == 0) GTEST_SKIP() << "no Landlock: nothing is held";
    std::string name = (fs::canonical(fs::temp_directory_path()) / "selvage-held-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    fs::create_directory(folder_ / "in");
  }
  void TearDown() override {
    std::error_code ignored;
    if (!folder_.empty()) fs::remove_all(folder_, ignored);
  }
  fs::path folder_;
};

TEST_F(held_places, stay_what_they_were_when_something_takes_their_name) {
  struct stat before {
  }, held{};
  ASSERT_EQ(::stat((folder_ / "in").c_str(), &before), 0);
  place_keeper keeper;
  const auto places = keeper.hold({.read = {(folder_ / "in").string()}});
  fs::rename(folder_ / "in", folder_ / "elsewhere");
  fs::create_directory_symlink("/etc", folder_ / "in");
  ASSERT_EQ(places.size(), 1U);
  ASSERT_TRUE(places[0].held);
  ASSERT_EQ(::fstat(places[0].held->get(), &held), 0);
  EXPECT_EQ(held.st_ino, before.st_ino);
  EXPECT_NE(::fcntl(places[0].held->get(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_NE(::fcntl(places[0].held->get(), F_GETFL) & O_PATH, 0) << "nothing is read or written through it";
}

TEST_F(held_places, are_not_found_through_links) {
  fs::create_directory_symlink(folder_ / "in", folder_ / "link");
  fs::create_directory(folder_ / "in" / "inner");
  place_keeper keeper;
  for (const char* const path : {"link", "link/inner"}) {
    try {
      (void)keeper.hold({.read = {(folder_ / path).string()}});
      ADD_FAILURE() << path;
    } catch (const std::system_error& problem) {
      EXPECT_EQ(problem.code().value(), ELOOP);
      EXPECT_NE(std::string(problem.what()).find((folder_ / path).string()), std::string::npos) << problem.what();
    }
  }
}

TEST_F(held_places, are_opened_once_each) {
  place_keeper keeper;
  const std::string path = (folder_ / "in").string();
  const auto first = keeper.hold({.read = {path}, .write = {path}});
  const auto second = keeper.hold({.read = {path}});
  EXPECT_EQ(first[0].held, first[1].held);
  EXPECT_EQ(first[0].held, second[0].held);
}

TEST_F(held_places, of_the_process_itself_are_left_to_each) {
  place_keeper keeper;
  const auto places = keeper.hold({.read = {"/proc/self/maps"}});
  ASSERT_EQ(places.size(), 1U);
  EXPECT_FALSE(places[0].held);
}

TEST_F(held_places, include_what_programs_need_to_start) {
  place_keeper keeper;
  EXPECT_GE(keeper.hold({.run = {"/usr/bin/env"}}).size(), 4U);
  EXPECT_EQ(keeper.hold({.read = {"/usr/bin/env"}}).size(), 1U);
}

TEST(own_process, is_what_lies_below_proc_self) {
  for (const char* const path : {"/proc/self", "/proc/self/maps", "/proc/thread-self/stat"})
    EXPECT_TRUE(base::is_of_own_process(path)) << path;
  for (const char* const path : {"/proc", "/proc/selfish", "/proc/1", "/", ""})
    EXPECT_FALSE(base::is_of_own_process(path)) << path;
}

}  // namespace
}  // namespace selvage

// Long output outlives its run: a resumed one tells it again. FAILURES row 30, the command's part.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "tests/cli/command.hpp"

namespace {

using selvage::test::command_line;
using selvage::test::command_result;
using selvage::test::lines_of;
using ::testing::AllOf;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Le;

/// Jobs that write 100,000 bytes and more, or few, and note that they ran. Sizes differ so that an offset that is wrong
/// is seen.
class run_kept : public ::testing::Test {
 protected:
  static constexpr int jobs = 12;

  void start() {
    constexpr const char* script =
        "n={}; echo $n >> ran; test $((n % 3)) = 0 || head -c $((100000 + n)) /dev/zero | tr '\\0' x; "
        "echo out $n; head -c $((70000 + n)) /dev/zero | tr '\\0' e >&2";
    shell_.start({"run", "-q", "-k", "-j2", "--store", "s", "--name", "n", "--resume", "--shell", "--", script},
                 items());
  }
  command_result run() {
    start();
    return shell_.wait();
  }
  static std::string items() {
    std::string all;
    for (int i = 1; i <= jobs; ++i) all += std::to_string(i) + "\n";
    return all;
  }
  static std::string expected_output() {
    std::string all;
    for (int i = 1; i <= jobs; ++i) {
      if (i % 3 != 0) all += std::string(100'000 + static_cast<std::size_t>(i), 'x');
      all += "out " + std::to_string(i) + "\n";
    }
    return all;
  }
  static void expect_all(const command_result& ran) {
    std::size_t errors = 0;
    for (int i = 1; i <= jobs; ++i) errors += 70'000 + static_cast<std::size_t>(i);
    EXPECT_EQ(ran.status, 0) << ran.errors.substr(0, 1000);
    EXPECT_TRUE(ran.output == expected_output()) << ran.output.size() << " bytes";
    EXPECT_EQ(ran.errors.find_first_not_of('e'), ran.errors.npos);
    EXPECT_EQ(ran.errors.size(), errors);
  }
  [[nodiscard]] std::vector<std::filesystem::path> kept_files() const {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(shell_.folder() / "s")) {
      if (entry.path().filename().string().starts_with("output-")) files.push_back(entry.path());
    }
    return files;
  }

  command_line shell_;
};

TEST_F(run_kept, output_of_any_length_is_told_again) {
  expect_all(run());
  const auto files = kept_files();
  EXPECT_THAT(files.size(), AllOf(Ge(2U), Le(4U))) << "one for each stream of each place";
  shell_.write("ran", "");
  expect_all(run());
  EXPECT_THAT(lines_of(shell_.read("ran")), IsEmpty());
  ASSERT_EQ(shell_.run({"store", "compact", "s", "n"}).status, 0);
  expect_all(run());
  EXPECT_THAT(lines_of(shell_.read("ran")), IsEmpty());
  ASSERT_EQ(shell_.run({"store", "forget", "s", "n"}).status, 0);
  EXPECT_TRUE(std::filesystem::is_empty(shell_.folder() / "s"));
}

TEST_F(run_kept, output_that_is_gone_or_damaged_is_made_again) {
  expect_all(run());
  const auto files = kept_files();
  ASSERT_GE(files.size(), 2U);
  std::filesystem::remove(files[0]);
  ASSERT_EQ(::mkfifo(files[0].c_str(), 0600), 0) << "nobody would ever write to it";
  std::fstream(files[1]) << "damage";
  shell_.write("ran", "");
  const auto again = run();
  EXPECT_EQ(again.status, 0);
  EXPECT_TRUE(again.output == expected_output());
  EXPECT_THAT(again.errors, HasSubstr("output that was kept there is gone or damaged: its jobs are run again"));
  EXPECT_THAT(lines_of(shell_.read("ran")), ::testing::Not(IsEmpty()));
  shell_.write("ran", "");
  expect_all(run());
  EXPECT_THAT(lines_of(shell_.read("ran")), IsEmpty());
}

TEST_F(run_kept, output_survives_kills) {
  for (int kills = 0; kills < 30; ++kills) {
    start();
    std::this_thread::sleep_for(std::chrono::milliseconds(20 + kills % 7 * 10));
    ::kill(shell_.pid(), SIGKILL);
    if (shell_.wait().status == 0) break;
  }
  expect_all(run());
}

/// As on a filesystem on which a file without a name cannot be given one: of this thread, and of what it starts.
void refuse_links() {
  std::array filter{
      sock_filter(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))),
      sock_filter(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_linkat, 0, 1)),
      sock_filter(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOENT)),
      sock_filter(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)),
  };
  const sock_fprog program{filter.size(), filter.data()};
  ASSERT_EQ(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
  ASSERT_EQ(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

TEST_F(run_kept, output_is_copied_where_its_file_can_have_no_name) {
  std::thread([&] {
    refuse_links();
    expect_all(run());
  }).join();
  EXPECT_EQ(kept_files().size(), 8U + 12U) << "one for each that is long";
  shell_.write("ran", "");
  expect_all(run());
  EXPECT_THAT(lines_of(shell_.read("ran")), IsEmpty());
}

}  // namespace

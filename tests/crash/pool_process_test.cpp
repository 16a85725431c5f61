// What a pool's processes look like from outside and from within: their names, and their standard input.

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fstream>

#include "tests/support/pool_fixture.hpp"

namespace selvage::test {
namespace {

class pool_processes : public pool_survives {};

std::string line_of(int pid, const std::string& key) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(key + ":\t")) return line.substr(key.size() + 2);
  }
  return {};
}

TEST_F(pool_processes, have_the_name_of_their_pool) {
  for (const start how : {start::fork, start::spawn}) {
    pool pool(watched({.workers = 2, .start = how, .name = "thumbnails"}), add);
    expect_usable(pool);
    const std::vector<int> workers = all_worker_pids(pool);
    ASSERT_EQ(workers.size(), 2U);
    EXPECT_EQ(line_of(workers[0], "Name"), "thumbnails-w0");
    EXPECT_EQ(line_of(workers[1], "Name"), "thumbnails-w1");
    const std::string supervisor = line_of(workers[0], "PPid");
    ASSERT_FALSE(supervisor.empty());
    EXPECT_EQ(line_of(std::stoi(supervisor), "Name"), "thumbnail-super") << "the role is never cut";
  }
}

/// 0 before Linux 6.12. Source: sched_getattr(2)
std::uint64_t time_slice_of(int pid) {
  struct {
    std::uint32_t size, policy;
    std::uint64_t flags;
    std::int32_t nice;
    std::uint32_t priority;
    std::uint64_t runtime_ns, deadline_ns, period_ns;
  } attributes{};
  EXPECT_EQ(::syscall(SYS_sched_getattr, pid, &attributes, sizeof attributes, 0), 0);
  return attributes.runtime_ns;
}

TEST_F(pool_processes, have_the_time_slice_that_they_are_given) {
  const std::uint64_t own = time_slice_of(0);
  if (own == 0) GTEST_SKIP() << "this kernel has no time slices that can be asked for";
  for (const start how : {start::fork, start::spawn}) {
    pool plain(watched({.workers = 1, .start = how}), add);
    pool given(watched({.workers = 1, .start = how, .time_slice = 20ms}), add);
    EXPECT_EQ(time_slice_of(all_worker_pids(plain).front()), own);
    EXPECT_EQ(time_slice_of(all_worker_pids(given).front()), 20'000'000U);
    expect_usable(given);
  }
}

/// Standard input is another file for as long as this lives.
class other_input {
 public:
  explicit other_input(int fd) : before_(::dup(STDIN_FILENO)) { ::dup2(fd, STDIN_FILENO); }
  ~other_input() {
    ::dup2(before_, STDIN_FILENO);
    ::close(before_);
  }
  other_input(const other_input&) = delete;
  other_input& operator=(const other_input&) = delete;

 private:
  int before_;
};

const auto read_input = task("read_input", [](int) {
  char byte = '-';
  const auto got = ::read(STDIN_FILENO, &byte, 1);
  return got == 1 ? static_cast<int>(byte) : static_cast<int>(got);
});

TEST_F(pool_processes, read_the_hosts_standard_input_only_where_it_is_inherited) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  ASSERT_EQ(::write(ends[1], "x", 1), 1);
  {
    const other_input piped(ends[0]);
    pool without(watched({.workers = 1}), read_input);
    EXPECT_EQ(without.call(read_input, 0).get(), 0) << "the end of /dev/null";
    for (const start how : {start::fork, start::spawn}) {
      pool with(watched({.workers = 1, .start = how, .inherit = {STDIN_FILENO}}), read_input);
      EXPECT_EQ(with.call(read_input, 0).get(), 'x');
      ASSERT_EQ(::write(ends[1], "x", 1), 1);
    }
  }
  ::close(ends[0]);
  ::close(ends[1]);
}

}  // namespace
}  // namespace selvage::test

#pragma once
// A host in a process of its own: for tests that kill it, starve it, or let it fork. The test is the subreaper of
// everything that it leaves behind.
//
//   host_process host([](host_process::stage& stage) { pool p(...); stage.reached(1); ...; return 0; });
//   host.wait_for_stage(1);
//   host.kill();
//   EXPECT_EQ(host.left_behind(), "");
//
// Called by tests/crash/pool_*_test.cpp only.

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "tests/support/pool_fixture.hpp"
#include "tests/support/worker_view.hpp"

namespace selvage::test {

/// What a host returns where the kernel does not let it be what the test wants.
inline constexpr int unsupported = 77;

class host_process {
 public:
  /// Words that both see.
  class stage {
   public:
    explicit stage(const blackboard& board) : board_(board) {}
    void reached(std::uint64_t number) const { board_[0] = number; }
    [[nodiscard]] std::uint64_t number() const { return board_[0]; }
    [[nodiscard]] blackboard::word& note(std::size_t i) const { return board_[i + 1]; }

   private:
    const blackboard& board_;
  };

  /// `body` returns the exit status; what it throws is printed and becomes 99, and a failed expectation is 98.
  explicit host_process(const std::function<int(stage&)>& body) {
    before_ = belongings::now();
    std::fflush(nullptr);
    pid_ = ::fork();
    if (pid_ != 0) return;
    ::alarm(longest_seconds);  // not inherited by fork
    int status = 99;
    try {
      stage here(board_);
      status = body(here);
    } catch (const std::exception& problem) {
      std::fprintf(stderr, "host: %s\n", problem.what());
    }
    if (status == 0 && ::testing::Test::HasFailure()) status = 98;  // an EXPECT of its own
    std::fflush(nullptr);
    ::_exit(status);
  }
  host_process(const host_process&) = delete;
  host_process& operator=(const host_process&) = delete;
  ~host_process() {
    if (pid_ > 0) kill();
  }

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] stage view() const { return stage(board_); }
  [[nodiscard]] bool wait_for_stage(std::uint64_t number) const {
    return holds_in_the_end([&] { return board_[0] >= number; });
  }
  void kill() {
    ::kill(pid_, SIGKILL);
    (void)exit_status();
  }
  /// The exit status; 1000 + the signal where one ended it. Blocks.
  int exit_status() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) == -1 && errno == EINTR) {
    }
    ended_ = std::exchange(pid_, -1);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
  }
  /// Requires: it has ended. Reaps what is handed up to us until nothing more is there. Returns: what does not go away,
  /// in words: processes, descriptors, names in /dev/shm.
  std::string left_behind() {
    return left_but_for_names([this] {
      std::string words;
      for (const std::string& name : names_left()) words += " " + name;
      return words;
    });
  }
  /// The same for a host that may have been killed between making a name and unlinking it: names may be there.
  std::string left_behind_but_for_names() {
    return left_but_for_names([] { return std::string(); });
  }
  /// The names that it has left in /dev/shm.
  [[nodiscard]] std::vector<std::string> names_left() const {
    std::vector<std::string> names;
    const std::string own = "selvage-" + std::to_string(ended_) + "-";
    for (const auto& entry : std::filesystem::directory_iterator("/dev/shm")) {
      if (entry.path().filename().string().starts_with(own)) names.push_back(entry.path());
    }
    return names;
  }

 private:
  static constexpr unsigned longest_seconds = 40;

  std::string left_but_for_names(const std::function<std::string()>& names) {
    std::string words;
    (void)holds_in_the_end([&] {
      for (const int pid : belongings::now().children) {
        if (!before_.children.contains(pid)) (void)::waitpid(pid, nullptr, WNOHANG);
      }
      words = before_.grown_to(belongings::now()) + names();
      return words.empty();
    });
    return words;
  }

  blackboard board_;
  belongings before_;
  pid_t pid_ = -1;
  pid_t ended_ = -1;
};

/// The exit status of a child; 1000 + the signal where one ended it. Blocks.
inline int wait_for_child(pid_t child) {
  int status = -1;
  while (::waitpid(child, &status, 0) == -1 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/// Runs `body` in a host and expects that it ends well and leaves nothing.
inline void expect_well(const std::function<int(host_process::stage&)>& body) {
  host_process host(body);
  const int status = host.exit_status();
  if (status == unsupported) GTEST_SKIP() << "this kernel does not allow what the test needs";
  EXPECT_EQ(status, 0);
  EXPECT_EQ(host.left_behind(), "");
}

/// The error of what `body` does, or none.
template <class Body>
std::optional<error> error_of(Body&& body) {
  try {
    body();
    return std::nullopt;
  } catch (const error& problem) {
    return problem;
  }
}

}  // namespace selvage::test

/// In the body of a host: ends it with status 1 where the condition does not hold, and says which.
#define MUST(condition)                                                            \
  do {                                                                             \
    if (!(condition)) {                                                            \
      std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
      return 1;                                                                    \
    }                                                                              \
  } while (false)

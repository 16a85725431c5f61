// A fork for each item, by hand and with the same protection: what a pool is measured against. See runs.hpp.

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <new>
#include <system_error>
#include <utility>

#include "interrupt.hpp"
#include "runs.hpp"
#include "terminal.hpp"

namespace unpack {
namespace {

using clock = std::chrono::steady_clock;

/// What a child tells through its pipe, in one write.
struct answer {
  selvage::errc code{};  ///< 0 for a result
  unpacked result{};
  std::array<char, 256> message{};
};

std::system_error failed(const char* what) { return {errno, std::generic_category(), what}; }

// What RLIMIT_DATA counts already. Source: proc(5), statm: the sixth field is data and stack, in pages.
std::uint64_t data_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t pages = 0;
  for (int field = 0; field < 6; ++field) statm >> pages;
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

answer work_on(const item& what) {
  answer told;
  const auto fail = [&](selvage::errc code, const char* message) {
    told.code = code;
    std::snprintf(told.message.data(), told.message.size(), "%s", message);
  };
  try {
    told.result = unpack_item(what);
  } catch (const std::bad_alloc&) {
    fail(selvage::errc::out_of_memory, "its memory limit was reached");
  } catch (const std::exception& problem) {
    fail(selvage::errc::task_failed, problem.what());
  }
  return told;
}

[[noreturn]] void live_as_child(const item& what, rlim_t data_limit, int pipe) {
  ::signal(SIGINT, SIG_IGN);  // the parent decides
  const rlimit limit{data_limit, data_limit};
  ::setrlimit(RLIMIT_DATA, &limit);
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  const answer told = work_on(what);
  const bool written = ::write(pipe, &told, sizeof told) == static_cast<ssize_t>(sizeof told);
  ::_exit(written ? 0 : 1);
}

/// One child, from its fork until it is reaped. It is killed where it is not.
class child {
 public:
  child(const item& what, std::size_t index, rlim_t data_limit) : index_(index), deadline_(clock::now() + time_limit) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw failed("pipe2");
    pid_ = ::fork();
    if (pid_ == 0) live_as_child(what, data_limit, ends[1]);
    const int problem = errno;
    ::close(ends[1]);
    pipe_ = ends[0];
    if (pid_ < 0) {
      ::close(pipe_);
      errno = problem;
      throw failed("fork");
    }
  }
  child(child&& other) noexcept
      : index_(other.index_),
        deadline_(other.deadline_),
        pid_(std::exchange(other.pid_, -1)),
        pipe_(other.pipe_),
        killed_(other.killed_) {}
  child& operator=(child&& other) noexcept {
    std::swap(index_, other.index_);
    std::swap(deadline_, other.deadline_);
    std::swap(pid_, other.pid_);
    std::swap(pipe_, other.pipe_);
    std::swap(killed_, other.killed_);
    return *this;
  }
  ~child() {
    if (pid_ < 0) return;
    ::kill(pid_, SIGKILL);
    reap();
  }

  [[nodiscard]] std::size_t index() const noexcept { return index_; }
  [[nodiscard]] clock::time_point deadline() const noexcept { return deadline_; }
  [[nodiscard]] int pipe() const noexcept { return pipe_; }

  /// Its pipe will end soon.
  void kill() noexcept {
    killed_ = true;
    deadline_ = clock::time_point::max();
    ::kill(pid_, SIGKILL);
  }

  /// Its pipe has something to say, or has ended. Blocks until it is gone.
  ending end() {
    answer told;
    const bool complete = ::read(pipe_, &told, sizeof told) == static_cast<ssize_t>(sizeof told);
    const int status = reap();
    if (complete && told.code == selvage::errc{}) return told.result;
    selvage::failure why;
    if (complete) {
      why.code = told.code;
      why.message = told.message.data();
    } else if (killed_) {
      why.code = selvage::errc::timed_out;
    } else if (WIFSIGNALED(status)) {
      why.code = selvage::errc::crashed;
      why.signal = WTERMSIG(status);
    } else {
      why.code = selvage::errc::exited;
      why.exit_status = WEXITSTATUS(status);
    }
    return tl::make_unexpected(selvage::error(std::move(why)));
  }

 private:
  int reap() noexcept {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    ::close(pipe_);
    pid_ = -1;
    return status;
  }

  std::size_t index_;
  clock::time_point deadline_;
  pid_t pid_ = -1;
  int pipe_ = -1;
  bool killed_ = false;
};

/// Sleeps until a child has something to say, a deadline has come, or a tenth of a second is over. Returns: which
/// children.
std::vector<bool> wait_for_any(std::vector<child>& children) {
  std::vector<pollfd> pipes;
  auto until = clock::now() + std::chrono::milliseconds(100);
  for (const child& each : children) {
    pipes.push_back({.fd = each.pipe(), .events = POLLIN, .revents = 0});
    until = std::min(until, each.deadline());
  }
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - clock::now());
  ::poll(pipes.data(), pipes.size(), static_cast<int>(std::max<std::int64_t>(0, left.count())));
  std::vector<bool> spoke;
  spoke.reserve(pipes.size());
  for (const pollfd& each : pipes) spoke.push_back(each.revents != 0);
  return spoke;
}

}  // namespace

run run_in_forks(const std::vector<item>& items, unsigned at_once) {
  const auto began = clock::now();
  std::fflush(nullptr);  // or a child that calls exit would print what waits in our buffers
  progress_bar bar("fork per item", items.size());
  const rlim_t data_limit = data_bytes() + memory_limit.count;
  run all;
  all.endings.resize(items.size());
  std::vector<child> children;
  std::size_t started = 0;
  std::size_t done = 0;
  std::uint64_t bytes_out = 0;
  while (done < items.size()) {
    throw_if_interrupted();
    for (; started < items.size() && children.size() < at_once; ++started) {
      children.emplace_back(items[started], started, data_limit);
    }
    const std::vector<bool> spoke = wait_for_any(children);
    for (std::size_t i = children.size(); i-- > 0;) {
      if (spoke[i]) {
        const std::size_t index = children[i].index();
        ending& how = all.endings[index] = children[i].end();
        if (how) bytes_out += how->bytes_out;
        if (items[index].kind == mischief::none) all.files_time = clock::now() - began;
        ++done;
        if (i + 1 != children.size()) children[i] = std::move(children.back());
        children.pop_back();
      } else if (clock::now() >= children[i].deadline()) {
        children[i].kill();
      }
    }
    if (bar.due()) bar.show(done, bytes_out);
  }
  all.time = clock::now() - began;
  return all;
}

}  // namespace unpack

// Two ways to ask the kernel for our children. Called by: process_tree.cpp. Never: reaps or signals one.

#include "supervisor/child_list.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <utility>

#include "base/syscalls.hpp"
#include "supervisor/process_stat.hpp"

namespace selvage::supervisor {
namespace {

void append_numbers(int fd, std::vector<int>& to) {
  std::array<char, 4096> text;
  int number = 0;
  for (off_t at = 0;;) {
    const ssize_t count = base::retry_eintr([&] { return ::pread(fd, text.data(), text.size(), at); });
    if (count <= 0) return;
    for (const char c : std::span(text.data(), static_cast<std::size_t>(count))) {
      if (c >= '0' && c <= '9') {
        number = 10 * number + (c - '0');
      } else if (number != 0) {
        to.push_back(std::exchange(number, 0));
      }
    }
    at += count;
  }
}

// Nothing where the kernel lacks the file.
void append_children_of_thread(int pid, int thread, std::vector<int>& pids) {
  std::array<char, 64> path;
  std::snprintf(path.data(), path.size(), "/proc/%d/task/%d/children", pid, thread);
  const base::unique_fd file(::open(path.data(), O_RDONLY | O_CLOEXEC));
  if (file) append_numbers(file.get(), pids);
}

}  // namespace

child_list::child_list() {
  std::array<char, 64> path;
  std::snprintf(path.data(), path.size(), "/proc/self/task/%d/children", ::gettid());
  file_.reset(::open(path.data(), O_RDONLY | O_CLOEXEC));
}

void child_list::list(std::vector<int>& pids) const {
  if (!file_) return find_children_in_proc(pids);
  pids.clear();
  append_numbers(file_.get(), pids);
}

void append_children_of(int pid, std::vector<int>& pids) {
  std::array<char, 64> path;
  std::snprintf(path.data(), path.size(), "/proc/%d/task", pid);
  DIR* const threads = ::opendir(path.data());
  if (threads == nullptr) return;
  while (const dirent* const entry = ::readdir(threads)) {  // NOLINT(concurrency-mt-unsafe): one thread
    if (const int thread = std::atoi(entry->d_name); thread > 0) append_children_of_thread(pid, thread, pids);
  }
  ::closedir(threads);
}

void find_children_in_proc(std::vector<int>& pids) {
  pids.clear();
  DIR* folder = ::opendir("/proc");
  if (folder == nullptr) return;
  const int self = ::getpid();
  while (const dirent* entry = ::readdir(folder)) {  // NOLINT(concurrency-mt-unsafe): one thread
    const int pid = std::atoi(entry->d_name);
    if (pid > 0 && stat_of(pid).parent == self) pids.push_back(pid);
  }
  ::closedir(folder);
}

}  // namespace selvage::supervisor

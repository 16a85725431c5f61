#pragma once
// The process of one job: started with posix_spawn(3), of glibc a vfork with all that is wanted between it and exec,
// in a process group of its own, and ended with all that is left running in that.
// Called by: job.cpp, in a worker.

#include <spawn.h>
#include <sys/resource.h>
#include <sys/types.h>

#include <string>
#include <vector>

namespace selvage::cli {

class job_process {
 public:
  job_process();
  job_process(const job_process&) = delete;
  job_process& operator=(const job_process&) = delete;
  ~job_process();

  /// Before it is started: what `stream` of it is.
  void connect(int stream, int to);
  /// Returns: 0 or errno; EINVAL where a word has a zero byte, behind which it would be lost without a word.
  [[nodiscard]] int start(const std::vector<std::string>& command);
  /// Once it has: what it has left in its process group is killed before anybody can take its number. `how`: 0 to
  /// wait, or WNOHANG.
  bool has_ended(int how);

  [[nodiscard]] int status() const noexcept { return status_; }
  [[nodiscard]] const rusage& used() const noexcept { return used_; }

 private:
  posix_spawn_file_actions_t files_{};
  posix_spawnattr_t attributes_{};
  pid_t child_ = -1;
  int status_ = 0;
  rusage used_{};
};

}  // namespace selvage::cli

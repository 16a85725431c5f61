#pragma once
// What a job writes to its standard output and errors, read as it comes. A pipe and not a file: what opens /dev/stdout
// anew cannot cut off what is there, and what outlives the job finds nobody to write to. Called by: job.cpp, in a
// worker. Throws std::system_error where there are no descriptors.

#include <signal.h>

#include <array>
#include <cstddef>
#include <functional>
#include <string_view>

#include "job_process.hpp"
#include "owned_fd.hpp"

namespace selvage::cli {

/// SIGCHLD as a descriptor; and SIGPIPE, which is an errno as long as this lives.
class child_watch {
 public:
  child_watch();
  child_watch(const child_watch&) = delete;
  child_watch& operator=(const child_watch&) = delete;
  ~child_watch();
  [[nodiscard]] int get() const noexcept { return signals_.get(); }
  void forget_signals() const;

 private:
  sigset_t before_{};
  owned_fd signals_;
};

class output_pipes {
 public:
  static constexpr std::size_t output = 0, errors = 1;
  using sink = std::function<void(std::size_t stream, std::string_view part)>;

  output_pipes();
  /// Before the job is started.
  void connect(job_process& job) const;
  /// Until the job has ended: not until what it has started has closed them.
  void read_to_the_end_of(job_process& job, const sink& to);

 private:
  struct one_pipe {
    owned_fd ours, theirs;
  };
  [[nodiscard]] std::size_t waiting_in(std::size_t stream) const;
  std::size_t read_some(std::size_t stream, const sink& to);

  child_watch watch_;
  std::array<one_pipe, 2> pipes_;
};

}  // namespace selvage::cli

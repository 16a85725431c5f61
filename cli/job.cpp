// See job.hpp. posix_spawn(3) of glibc is a vfork with all that is wanted between it and exec.

#include "job.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <system_error>

#include "line_relay.hpp"

namespace selvage::cli {
namespace {

/// Longer output stays in its file.
constexpr std::uint64_t longest_text = 65'536;

/// The files and signals of a job's process.
class spawn_wiring {
 public:
  spawn_wiring() {
    ::posix_spawn_file_actions_init(&files_);
    ::posix_spawnattr_init(&attributes_);
    sigset_t all;
    ::sigfillset(&all);
    ::posix_spawnattr_setsigdefault(&attributes_, &all);
    sigset_t none;
    ::sigemptyset(&none);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  }
  spawn_wiring(const spawn_wiring&) = delete;
  spawn_wiring& operator=(const spawn_wiring&) = delete;
  ~spawn_wiring() {
    ::posix_spawn_file_actions_destroy(&files_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  void connect(int stream, int to) { ::posix_spawn_file_actions_adddup2(&files_, to, stream); }

  /// Returns: 0 or errno.
  int spawn(pid_t& child, const std::vector<std::string>& command) const {
    std::vector<char*> arguments;
    arguments.reserve(command.size() + 1);
    for (const std::string& each : command) arguments.push_back(const_cast<char*>(each.c_str()));
    arguments.push_back(nullptr);
    return ::posix_spawnp(&child, arguments[0], &files_, &attributes_, arguments.data(), environ);
  }

 private:
  posix_spawn_file_actions_t files_{};
  posix_spawnattr_t attributes_{};
};

std::uint64_t size_of_file(int fd) {
  struct stat found {};
  return ::fstat(fd, &found) == 0 ? static_cast<std::uint64_t>(found.st_size) : 0;
}

/// What was written since `before`. Where it is short it is taken out of the file again.
job_output output_since(int fd, std::uint64_t before) {
  job_output written{.text = {}, .size = size_of_file(fd) - before, .offset = before};
  if (written.size == 0 || written.size > longest_text) return written;
  written.text.resize(static_cast<std::size_t>(written.size));
  std::size_t got = 0;
  while (got < written.text.size()) {
    const ssize_t some =
        ::pread(fd, written.text.data() + got, written.text.size() - got, static_cast<off_t>(before + got));
    if (some <= 0) break;
    got += static_cast<std::size_t>(some);
  }
  written.text.resize(got);
  (void)!::ftruncate(fd, static_cast<off_t>(before));  // where it may not be, it stays until the end
  return written;
}

/// There is no room behind the file's end. A job that writes does not always look at what comes of it, so this is asked
/// for it. Cost: one system call where there is plenty.
bool is_full(int fd) {
  constexpr std::uint64_t plenty = std::uint64_t{1} << 20U;
  constexpr off_t some = 65'536;
  struct statfs disk {};
  if (::fstatfs(fd, &disk) != 0) return false;
  if (static_cast<std::uint64_t>(disk.f_bavail) * static_cast<std::uint64_t>(disk.f_bsize) >= plenty) return false;
  const auto end = static_cast<off_t>(size_of_file(fd));
  if (::fallocate(fd, 0, end, some) != 0) return errno == ENOSPC || errno == EDQUOT;
  (void)!::ftruncate(fd, end);
  return false;
}

std::uint64_t microseconds_of(const timeval& time) {
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000U + static_cast<std::uint64_t>(time.tv_usec);
}

}  // namespace

int make_unnamed_file() {
  const std::string folder = std::filesystem::temp_directory_path().string();
  constexpr mode_t mode = 0600;
  const int unnamed = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_APPEND | O_CLOEXEC, mode);
  if (unnamed >= 0) return unnamed;
  std::string name = folder + "/selvage-job-XXXXXX";  // a filesystem without O_TMPFILE
  const int named = ::mkostemp(name.data(), O_APPEND | O_CLOEXEC);
  if (named < 0) {
    throw std::runtime_error(fmt::format("{}: no file can be made for the output of jobs: {} (TMPDIR is where they go)",
                                         folder, std::generic_category().message(errno)));
  }
  ::unlink(name.c_str());
  return named;
}

std::vector<std::string> job_plan::command_for(const expansion& with) const {
  std::vector<std::string> command;
  if (!for_shell) {
    for (const text_template& each : arguments) command.push_back(each.expand(with));
    return command;
  }
  std::string line;
  for (const text_template& each : arguments) line += (line.empty() ? "" : " ") + each.expand(with, true);
  return {"/bin/sh", "-c", std::move(line)};
}

namespace {

/// Started, and waited for. `relay`: null where the job writes for itself.
void run_process(job_result& result, const spawn_wiring& wiring, const std::vector<std::string>& command,
                 line_relay* relay) {
  // What is behind a zero byte would be lost without a word.
  const bool is_cut = std::ranges::any_of(command, [](const auto& word) { return word.find('\0') != word.npos; });
  pid_t child = -1;
  result.start_error = is_cut ? EINVAL : wiring.spawn(child, command);
  if (result.start_error != 0) return;
  int status = 0;
  rusage used{};
  if (relay != nullptr) {
    relay->pass_on_until_the_end_of(child, status, used);
  } else {
    while (::wait4(child, &status, 0, &used) == -1 && errno == EINTR) {
    }
  }
  if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
  if (WIFEXITED(status)) result.exit_status = WEXITSTATUS(status);
  result.cpu_us = microseconds_of(used.ru_utime) + microseconds_of(used.ru_stime);
  result.peak_bytes = static_cast<std::uint64_t>(used.ru_maxrss) * 1024;
}

}  // namespace

job_result run_job(const job_plan& plan, const item_context& context, const input& item) {
  job_result result{
      .place = context.place,
      .started_ns = std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count()};
  const auto begun = std::chrono::steady_clock::now();
  const auto command = plan.command_for({.item = item, .number = context.ordinal + 1, .place = context.place});
  spawn_wiring wiring;
  if (plan.line_lock) {
    line_relay relay(*plan.line_lock, plan.tagged ? std::optional(item.text) : std::nullopt, longest_text);
    wiring.connect(STDOUT_FILENO, relay.output_end());
    wiring.connect(STDERR_FILENO, relay.errors_end());
    run_process(result, wiring, command, &relay);
    result.output = relay.take_output();
    result.errors = relay.take_errors();
    result.output_error = relay.problem();
  } else if (!plan.output_files.empty()) {
    const int output = plan.output_files[context.place - 1];
    const int errors = plan.error_files[context.place - 1];
    const std::uint64_t output_before = size_of_file(output);
    const std::uint64_t errors_before = size_of_file(errors);
    plan.begins[context.place - 1].note(context, output_before, errors_before);
    wiring.connect(STDOUT_FILENO, output);
    wiring.connect(STDERR_FILENO, errors);
    run_process(result, wiring, command, nullptr);
    result.output = output_since(output, output_before);
    result.errors = output_since(errors, errors_before);
    result.is_incomplete = is_full(output);
  } else {
    run_process(result, wiring, command, nullptr);
  }
  result.took_ns = std::chrono::nanoseconds(std::chrono::steady_clock::now() - begun).count();
  return result;
}

job_files::job_files(unsigned jobs) {
  for (unsigned i = 0; i < jobs; ++i) {
    output_.push_back(make_unnamed_file());
    errors_.push_back(make_unnamed_file());
  }
  if (jobs == 0) return;
  void* const shared =
      ::mmap(nullptr, jobs * sizeof(job_begin), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED)
    throw std::runtime_error("no memory for the jobs: " + std::generic_category().message(errno));
  begins_ = {static_cast<job_begin*>(shared), jobs};
  std::uninitialized_default_construct(begins_.begin(), begins_.end());
}

job_files::~job_files() {
  for (const int fd : all()) ::close(fd);
  if (!begins_.empty()) ::munmap(begins_.data(), begins_.size_bytes());
}

void job_begin::note(const item_context& of, std::uint64_t output_before, std::uint64_t errors_before) noexcept {
  attempt.exchange(0, std::memory_order_acquire);  // SYNC job_begin: what follows stays behind it
  ordinal = of.ordinal;
  output = output_before;
  errors = errors_before;
  attempt.store(of.attempt, std::memory_order_release);  // SYNC job_begin: the rest is there
}

std::optional<job_result> job_files::left_by(const failed_attempt& of) const {
  const auto left = [](int fd, std::uint64_t begin) {
    const std::uint64_t end = size_of_file(fd);
    begin = std::min(begin, end);  // whatever a worker has noted
    return job_output{.text = {}, .size = end - begin, .offset = begin};
  };
  const std::size_t place = of.place - 1;
  const job_begin& begin = begins_[place];
  const std::uint32_t attempt = begin.attempt.load(std::memory_order_acquire);  // SYNC job_begin
  if (attempt != of.attempt || begin.ordinal != of.ordinal) return std::nullopt;
  return job_result{
      .place = of.place, .output = left(output_[place], begin.output), .errors = left(errors_[place], begin.errors)};
}

std::vector<int> job_files::all() const {
  std::vector<int> both = output_;
  both.insert(both.end(), errors_.begin(), errors_.end());
  return both;
}

}  // namespace selvage::cli

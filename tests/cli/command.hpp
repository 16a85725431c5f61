#pragma once
// The command `selvage`, run as its users run it. Called by tests/cli only. Never: leaves a process behind.

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace selvage::test {

struct command_result {
  int status = 0;  ///< 1000 + the signal where one ended it
  std::string output{};
  std::string errors{};
  long peak_kilobytes = 0;  ///< of the command itself
};

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream from(text);
  for (std::string line; std::getline(from, line);) lines.push_back(line);
  return lines;
}

/// The command in a folder of its own, which is deleted with the object.
class command_line {
 public:
  command_line() {
    std::string pattern = (std::filesystem::temp_directory_path() / "selvage-cli-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    folder_ = pattern;
  }
  command_line(const command_line&) = delete;
  command_line& operator=(const command_line&) = delete;
  ~command_line() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      (void)wait();
    }
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
  [[nodiscard]] pid_t pid() const { return pid_; }
  void write(const std::string& name, std::string_view content) const {
    std::ofstream(folder_ / name, std::ios::binary) << content;
  }
  [[nodiscard]] std::string read(const std::string& name) const {
    std::ostringstream all;
    all << std::ifstream(folder_ / name, std::ios::binary).rdbuf();
    return std::move(all).str();
  }

  /// Until something is in that file; 60 s at most.
  void wait_for(const std::string& name) const {
    for (int i = 0; i < 12'000 && read(name).empty(); ++i) ::usleep(5'000);
  }

  /// Starts `selvage arguments...` with this on its standard input.
  void start(std::vector<std::string> arguments, std::string_view input = {}) {
    write("stdin", input);
    arguments.insert(arguments.begin(), SELVAGE_COMMAND);
    std::vector<char*> argv;
    for (std::string& each : arguments) argv.push_back(each.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t wiring;
    ::posix_spawn_file_actions_init(&wiring);
    ::posix_spawn_file_actions_addchdir_np(&wiring, folder_.c_str());
    ::posix_spawn_file_actions_addopen(&wiring, 0, "stdin", O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(&wiring, 1, "stdout", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ::posix_spawn_file_actions_addopen(&wiring, 2, "stderr", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (::posix_spawn(&pid_, SELVAGE_COMMAND, &wiring, nullptr, argv.data(), environ) != 0) std::abort();
    ::posix_spawn_file_actions_destroy(&wiring);
  }
  command_result wait() {
    int status = 0;
    rusage used{};
    while (::wait4(pid_, &status, 0, &used) == -1 && errno == EINTR) {
    }
    pid_ = -1;
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status), read("stdout"), read("stderr"),
            used.ru_maxrss};
  }
  command_result run(std::vector<std::string> arguments, std::string_view input = {}) {
    start(std::move(arguments), input);
    return wait();
  }

 private:
  std::filesystem::path folder_;
  pid_t pid_ = -1;
};

}  // namespace selvage::test

// A module for the tests: tasks that do well, and some that do not.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include <selvage/module.hpp>

namespace {

int errno_of_constructor = -1;

// Code of the module's that runs when it is loaded.
[[gnu::constructor]] void look_around() {
  const int fd = ::open("/etc/hostname", O_RDONLY);
  errno_of_constructor = fd >= 0 ? 0 : errno;
  if (fd >= 0) ::close(fd);
}

struct point {
  int x = 0;
  int y = 0;
};

std::string shout(std::string_view text) { return std::string(text) + "!"; }
int add(int a, int b) { return a + b; }
std::map<std::string, std::vector<point>> paths(const std::vector<point>& all) { return {{"all", all}}; }
void nothing() {}
int fail(std::string_view why) { throw std::invalid_argument(std::string(why)); }
int die() { return ::raise(SIGKILL); }
int what_the_constructor_met() { return errno_of_constructor; }
/// "crash", "hang", "throw TEXT", "read FILE" (its first line, or the errno); anything else comes back backwards.
std::string obey(std::string_view line) {
  if (line == "crash") ::raise(SIGSEGV);
  if (line == "hang") ::sleep(60);
  if (line.starts_with("throw ")) throw std::runtime_error(std::string(line.substr(6)));
  if (!line.starts_with("read ")) return {line.rbegin(), line.rend()};
  const int fd = ::open(std::string(line.substr(5)).c_str(), O_RDONLY);
  if (fd < 0) return "errno " + std::to_string(errno);
  std::string text(64, '\0');
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(0, ::read(fd, text.data(), text.size()))));
  ::close(fd);
  return text.substr(0, text.find('\n'));
}
bool wait_for_abort(selvage::abort_signal stop) { return stop.wait_for(std::chrono::seconds(20)); }

}  // namespace

SELVAGE_MODULE(selvage::exported<shout>("shout"), selvage::exported<add>("add"), selvage::exported<paths>("paths"),
               selvage::exported<nothing>("nothing"), selvage::exported<fail>("fail"), selvage::exported<die>("die"),
               selvage::exported<what_the_constructor_met>("what_the_constructor_met"),
               selvage::exported<wait_for_abort>("wait_for_abort"), selvage::exported<obey>("obey"));

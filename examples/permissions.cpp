// permissions: what a strict worker may do, and how its caller is told what it may not. The file that it was granted is
// read, another one is refused by name, and an attempt to look into the caller's memory ends the call.

#include <selvage/selvage.hpp>

#include <sys/ptrace.h>
#include <unistd.h>

#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>

namespace {

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) throw std::runtime_error("cannot read " + path);
  return line;
}

}  // namespace

int main() {
  using selvage::permissions;
  const auto read = selvage::task("read", first_line);
  const auto attach = selvage::task("attach", [](int pid) { return ::ptrace(PTRACE_ATTACH, pid, nullptr, nullptr); });
  try {
    selvage::pool pool({.workers = 1, .permissions = permissions::strict().read("/etc/hostname")}, read);
    std::cout << "granted:   " << pool.call(read, "/etc/hostname").get() << '\n';
    std::cout << "refused:   " << pool.call(read, "/etc/passwd").result().error().what() << '\n';
  } catch (const selvage::error& problem) {  // a kernel without Landlock, or a machine without the file
    std::cout << "not here:  " << problem.what() << '\n';
  }
  selvage::pool pool({.workers = 1, .permissions = permissions::strict()}, read, attach);
  const selvage::error named = pool.call(read, "/etc/passwd").result().error();
  const selvage::error ended = pool.call(attach, static_cast<int>(::getpid())).result().error();
  std::cout << "named:     " << named.what() << "\nended:     " << ended.what() << '\n';
  const bool good = named.details().refused_call.find("\"/etc/passwd\"") != std::string::npos &&
                    ended.code() == selvage::errc::permission_denied &&
                    ended.details().refused_call.starts_with("ptrace(");
  return good ? 0 : 1;
}

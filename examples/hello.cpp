// hello: a function that runs in another process and is called like one of this process. Shows a task, a pool, and
// the two ways to ask for an outcome: get(), which throws, and result(), which does not.

#include <unistd.h>

#include <cstdio>
#include <string>
#include <string_view>

#include <selvage/selvage.hpp>

namespace {

const auto hello = selvage::task("hello", [](std::string_view who) { return "hello " + std::string(who); });
const auto where = selvage::task("where", [] { return ::getpid(); });

}  // namespace

int main() {
  selvage::pool pool({.workers = 2}, hello, where);

  selvage::future<std::string> greeting = pool.call(hello, "world");  // runs while this process goes on
  const std::string text = greeting.get();                            // the value, or throws selvage::error
  std::printf("%s\n", text.c_str());

  const auto pid = pool.call(where).result();  // the value or the error, and never throws
  if (!pid) {
    std::printf("failed: %s\n", pid.error().what());
    return 1;
  }
  std::printf("this is process %d, the task ran in process %d\n", ::getpid(), *pid);
  return text == "hello world" && *pid != ::getpid() ? 0 : 1;
}

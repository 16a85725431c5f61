// crash_report: what is known about a task that took its process with it. Shows error::report() after a crash and
// after an exit, with the stack and the last words on standard error.

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <selvage/selvage.hpp>

// Not in an unnamed namespace: the stack is symbolised by names that the program exports (link with -rdynamic).
namespace image {

// noinline: each is a frame of its own in the report.
[[gnu::noinline]] int read_pixel(const volatile int* pixels, int index) {
  return pixels[index] + 1;  // NOLINT(clang-analyzer-core.NullDereference): meant
}

[[gnu::noinline]] int decode(int size) {
  std::fprintf(stderr, "decoding an image of %d pixels\n", size);
  const volatile int* const volatile pixels = nullptr;  // volatile: the compiler may not know that it is null
  return read_pixel(pixels, size) + 1;
}

int give_up(int status) {
  std::fprintf(stderr, "cannot go on\n");
  std::exit(status);  // NOLINT(concurrency-mt-unsafe): meant
}

}  // namespace image

int main() {
  const auto decode = selvage::task("decode", image::decode);
  const auto give_up = selvage::task("give_up", image::give_up);
  selvage::pool pool({.workers = 1}, decode, give_up);

  const auto crash = pool.call(decode, 3).result();
  const auto exit = pool.call(give_up, 3).result();
  if (crash || exit) return 1;
  std::printf("%s\n%s", crash.error().report().c_str(), exit.error().report().c_str());

  // The same as data, for programs.
  const selvage::failure& crashed = crash.error().details();
  const selvage::failure& exited = exit.error().details();
  bool named = false;
  for (const std::string& frame : crashed.stack) named = named || frame.find("image::decode") != std::string::npos;
  const bool good = crashed.code == selvage::errc::crashed && crashed.signal == SIGSEGV && named &&
                    crashed.fault_address == 3 * sizeof(int) &&
                    crashed.stderr_tail.find("an image of 3 pixels") != std::string::npos &&
                    exited.code == selvage::errc::exited && exited.exit_status == 3 &&
                    exited.stderr_tail.find("cannot go on") != std::string::npos;
  return good ? 0 : 1;
}

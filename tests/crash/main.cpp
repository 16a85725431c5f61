// The crash tests' own main: selvage::init first, so that pools with start::spawn can start this program afresh.
// Where a test has left a file named after fresh_orders.hpp in the working directory, a fresh process does what it
// says instead.

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>

#include <selvage/selvage.hpp>

#include "tests/crash/fresh_orders.hpp"

namespace {

int seven() { return 7; }

// 9 where a spawn pool is refused as it should be.
int try_to_spawn() {
  try {
    const auto task = selvage::task("seven", &seven);
    selvage::pool pool({.workers = 1, .start = selvage::start::spawn}, task);
    return 8;
  } catch (const selvage::error& problem) {
    std::fprintf(stderr, "%s\n", problem.what());
    return problem.code() == selvage::errc::invalid_options ? 9 : 7;
  }
}

/// Returns: -1 where this process is to do what it would do anyway.
int misbehave_as_told(int argc, char** argv) {
  if (argc != 2 || !std::string_view(argv[1]).starts_with("--selvage-supervisor=")) return -1;
  std::string told;
  std::getline(std::ifstream(selvage::test::fresh_orders_file), told);
  if (told == "exit") return 3;
  if (told == "die") ::raise(SIGKILL);
  if (told == "hang") {
    ::alarm(30);  // where its host has failed to end it
    ::pause();
  }
  if (told == "spawn without init") return try_to_spawn();
  if (told == "spawn after a lie to init") {
    const char* const lie[] = {"program", nullptr};
    selvage::init(1, lie);
    return try_to_spawn();
  }
  return -1;
}

}  // namespace

int main(int argc, char** argv) {
  if (const int status = misbehave_as_told(argc, argv); status >= 0) return status;
  selvage::init(argc, argv);
  ::testing::InitGoogleTest(&argc, argv);
#if defined(__SANITIZE_THREAD__)
  std::thread([] {}).join();  // ThreadSanitizer's own thread comes with the first of ours: no test is to have leaked it
#endif
  return RUN_ALL_TESTS();
}

// The run tests' own main: ThreadSanitizer's thread comes with the first of ours, and no test is to have leaked it.

#include <gtest/gtest.h>

#include <thread>

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
#if defined(__SANITIZE_THREAD__)
  std::thread([] {}).join();
#endif
  return RUN_ALL_TESTS();
}

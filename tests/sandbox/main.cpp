// The sandbox tests' own main: selvage::init first, for pools with start::spawn.

#include <gtest/gtest.h>

#include <selvage/init.hpp>

int main(int argc, char** argv) {
  selvage::init(argc, argv);
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}

// expect: selvage: a task is a function with one signature
#include <selvage/selvage.hpp>
const auto twice = selvage::task("twice", [](auto value) { return 2 * value; });

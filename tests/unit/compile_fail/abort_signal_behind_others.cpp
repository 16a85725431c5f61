// expect: selvage: selvage::abort_signal must be the first parameter of a task, taken by value
#include <selvage/selvage.hpp>
const auto stop = selvage::task("stop", [](int, selvage::abort_signal) {});

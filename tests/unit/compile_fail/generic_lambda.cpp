// expect: selvage: a task is a function, or an object with one call operator that is no template
#include <selvage/selvage.hpp>
const auto twice = selvage::task("twice", [](auto value) { return 2 * value; });

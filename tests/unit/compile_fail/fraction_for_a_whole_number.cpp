// expect: selvage: an argument with a fraction is given for a whole number
#include <selvage/selvage.hpp>
auto sum(selvage::pool& pool, const selvage::task<int (*)(int)>& task) { return pool.call(task, 1.9); }

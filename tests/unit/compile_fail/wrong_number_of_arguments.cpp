// expect: selvage: the call has not as many arguments as the task has parameters
#include <selvage/detail/codec.hpp>
auto held() { return selvage::detail::arguments_codec<int, int>::hold(1); }

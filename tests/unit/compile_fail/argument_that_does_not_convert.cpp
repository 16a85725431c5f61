// expect: selvage: an argument does not convert to the task's parameter
#include <selvage/detail/codec.hpp>
auto held() { return selvage::detail::arguments_codec<std::string>::hold(std::vector<int>{}); }

// expect: selvage: a function cannot cross to another process
#include <selvage/detail/codec.hpp>
const int captured = 1;
auto lambda = [number = captured] { return number; };
constexpr auto form = selvage::detail::result_codec<decltype(lambda)>::form;

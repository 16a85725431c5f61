// expect: selvage: a reference to mutable data cannot cross to another process
#include <selvage/detail/codec.hpp>
constexpr auto form = selvage::detail::arguments_codec<std::string&>::form;

// expect: selvage: a function cannot cross to another process
#include <selvage/detail/codec.hpp>
constexpr auto form = selvage::detail::arguments_codec<int, const std::function<void()>&>::form;

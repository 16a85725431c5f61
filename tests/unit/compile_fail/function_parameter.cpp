// expect: selvage: a function cannot cross to another process
#include <selvage/detail/codec.hpp>
using codec = selvage::detail::arguments_codec<int (*)(int)>;
constexpr auto form = codec::form;

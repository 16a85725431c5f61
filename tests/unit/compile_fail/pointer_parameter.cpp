// expect: selvage: a raw pointer cannot cross to another process
#include <selvage/detail/codec.hpp>
constexpr auto form = selvage::detail::arguments_codec<const char*>::form;

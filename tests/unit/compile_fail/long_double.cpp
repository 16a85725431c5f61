// expect: selvage: long double cannot cross
#include <selvage/detail/codec.hpp>
constexpr auto form = selvage::detail::result_codec<long double>::form;

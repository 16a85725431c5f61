// expect: selvage: this type cannot cross to another process
#include <selvage/detail/codec.hpp>
constexpr auto form = selvage::detail::result_codec<__int128>::form;

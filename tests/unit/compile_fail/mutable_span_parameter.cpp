// expect: selvage: only std::span<const T> of dynamic extent can cross
#include <selvage/detail/codec.hpp>
constexpr auto form = selvage::detail::arguments_codec<std::span<int>>::form;

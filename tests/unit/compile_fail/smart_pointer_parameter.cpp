// expect: selvage: a smart pointer cannot cross to another process
#include <selvage/detail/codec.hpp>
constexpr auto form = selvage::detail::arguments_codec<std::unique_ptr<int>>::form;

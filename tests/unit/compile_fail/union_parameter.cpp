// expect: selvage: a union cannot cross
#include <selvage/detail/codec.hpp>
union either {
  int number;
  float real;
};
constexpr auto form = selvage::detail::arguments_codec<either>::form;

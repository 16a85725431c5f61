// expect: selvage: an aggregate with a C array
#include <selvage/detail/codec.hpp>
struct holder {
  int before;
  double numbers[3];
  int after;
};
constexpr auto form = selvage::detail::result_codec<holder>::form;

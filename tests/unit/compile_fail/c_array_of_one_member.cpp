// expect: selvage: an aggregate with a C array
#include <selvage/detail/codec.hpp>
struct holder {
  int before;
  char letter[1];
};
constexpr auto form = selvage::detail::result_codec<holder>::form;

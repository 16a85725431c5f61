// expect: selvage: an aggregate with a base class cannot cross
#include <selvage/detail/codec.hpp>
struct base {
  int number;
};
struct derived : base {
  int more;
};
constexpr auto form = selvage::detail::result_codec<derived>::form;

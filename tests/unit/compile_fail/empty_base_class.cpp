// expect: selvage: an aggregate with a base class cannot cross
#include <selvage/detail/codec.hpp>
struct base {};
struct derived : base {
  int more;
};
constexpr auto form = selvage::detail::arguments_codec<derived>::form;

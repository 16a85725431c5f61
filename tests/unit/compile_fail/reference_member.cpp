// expect: selvage: an aggregate with const or reference members cannot cross
#include <selvage/detail/codec.hpp>
struct holder {
  int number;
  const int& other;
};
constexpr auto form = selvage::detail::arguments_codec<holder>::form;

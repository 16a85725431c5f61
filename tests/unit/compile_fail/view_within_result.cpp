// expect: selvage: a result cannot hold string_views or spans within another type
#include <selvage/detail/codec.hpp>
auto read(selvage::detail::payload_view in) {
  return selvage::detail::result_codec<std::vector<std::string_view>>::read(in).has_value();
}

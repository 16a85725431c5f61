// expect: selvage: a raw pointer cannot cross to another process
#include <selvage/detail/codec.hpp>
auto source(const std::vector<int*>& pointers) {
  return selvage::detail::result_codec<std::vector<int*>>::source(pointers);
}

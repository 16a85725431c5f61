// expect: selvage: a raw pointer cannot cross to another process
#include <selvage/detail/codec.hpp>
struct holder {
  std::string name;
  std::vector<std::pair<int, const char*>> texts;
};
auto source(const holder& value) { return selvage::detail::result_codec<holder>::source(value); }

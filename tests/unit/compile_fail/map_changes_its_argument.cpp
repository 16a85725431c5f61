// expect: selvage: the function of map changes its argument
#include <selvage/selvage.hpp>
#include <vector>
void twice(std::vector<int>& all) {
  selvage::map(all, [](int& each) { each *= 2; });
}

// See <selvage/detail/contract.hpp>.

#include <selvage/detail/contract.hpp>

#include <cstdio>
#include <cstdlib>

namespace selvage::detail {

void contract_broken(const char* what) noexcept {
  std::fprintf(stderr, "selvage: %s\n", what);
  std::abort();
}

}  // namespace selvage::detail
